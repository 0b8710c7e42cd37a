// What a server says about a call in its headers and trailers.
import type { RpcStatus } from "../../../port.js";
import { statusCode } from "../status.js";

export class ResponseHead {
  #httpStatus = "";
  #grpcStatus: string | undefined;
  #details = "";

  add(name: string, value: string): void {
    if (name === ":status") this.#httpStatus = value;
    else if (name === "grpc-status") this.#grpcStatus = value;
    else if (name === "grpc-message") this.#details = decodeDetails(value);
  }

  /** At the stream's end. */
  status(): RpcStatus {
    if (this.#grpcStatus !== undefined) return { code: Number(this.#grpcStatus), details: this.#details };
    const { unavailable, unknown } = statusCode;
    // As gRPC maps HTTP's answers of those who are between a client and its server.
    const code = ["429", "502", "503", "504"].includes(this.#httpStatus) ? unavailable : unknown;
    return { code, details: `the stream ended without a status (HTTP ${this.#httpStatus})` };
  }
}

/** Percent-encoding; what is none stays as it is. */
function decodeDetails(text: string): string {
  const bytes = text.replace(/%([0-9a-fA-F]{2})/g, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
