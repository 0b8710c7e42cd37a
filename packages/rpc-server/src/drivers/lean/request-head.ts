// A request's header list: whether HTTP/2 allows it (RFC 9113, section 8), and what gRPC reads from it.
import type { RpcMetadata } from "../../port.js";
import { entryOverheadBytes } from "./hpack/dynamic-table.js";
import { headerListBytesMax } from "./limits.js";
import { type Refusal, statusCode } from "./status.js";

export interface RequestHead extends RpcMetadata {
  readonly path: string;
  readonly timeoutMs: number | undefined;
  readonly isGzip: boolean;
  /** Of grpc-encoding; empty when there is none. */
  readonly encoding: string;
  /** Declared sum of DATA payloads, if any. */
  readonly contentLength: number | undefined;
  readonly refusal: Refusal | undefined;
}

/** Why a list ends its stream instead of being answered. */
export type HeadFault = "malformed" | "tooLarge";

const pseudoNames = [":method", ":scheme", ":path", ":authority"];
const connectionNames = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);
const invalidName = /[^\x21-\x7e]|[A-Z:]/;
const invalidValue = /[\0\r\n]|^[ \t]|[ \t]$/;

/** Takes the fields of one block after another. */
export class HeadReader {
  #fields: string[] = [];
  #pseudo = new Map<string, string>();
  #bytes = 0;
  #fault: HeadFault | undefined;
  #hasRegular = false;

  reset(): void {
    this.#fields = [];
    this.#pseudo = new Map();
    this.#bytes = 0;
    this.#fault = undefined;
    this.#hasRegular = false;
  }

  readonly onField = (name: string, value: string): void => {
    this.#bytes += name.length + value.length + entryOverheadBytes;
    if (this.#bytes > headerListBytesMax) this.#fault ??= "tooLarge";
    if (this.#fault !== undefined) return;
    if (name.startsWith(":")) this.#onPseudo(name, value);
    else this.#onRegular(name, value);
  };

  /** Of trailers nothing is used, but they must be well-formed. */
  trailers(): HeadFault | undefined {
    return this.#fault ?? (this.#pseudo.size > 0 ? "malformed" : undefined);
  }

  request(): RequestHead | HeadFault {
    if (this.#fault !== undefined) return this.#fault;
    const method = this.#pseudo.get(":method");
    const path = this.#pseudo.get(":path");
    if (method === undefined || path === undefined || path === "" || !this.#pseudo.has(":scheme")) return "malformed";
    const length = this.#get("content-length");
    if (length !== undefined && !/^\d{1,15}$/.test(length)) return "malformed";
    const timeout = this.#get("grpc-timeout");
    const timeoutMs = timeout === undefined ? undefined : parseTimeoutMs(timeout);
    const encoding = this.#get("grpc-encoding") ?? "";
    const fields = this.#fields;
    return {
      path,
      timeoutMs: typeof timeoutMs === "number" ? timeoutMs : undefined,
      isGzip: encoding === "gzip",
      encoding,
      contentLength: length === undefined ? undefined : Number(length),
      refusal: this.#refusal(method, encoding, typeof timeoutMs === "string" ? timeoutMs : undefined),
      get: (name) => valueOf(fields, name),
    };
  }

  /**
   * `:authority` is taken as it comes: clients of grpc-go's older resolvers put a whole URL there ("https://127.0.0.1:2379").
   */
  #onPseudo(name: string, value: string): void {
    if (this.#hasRegular || this.#pseudo.has(name) || !pseudoNames.includes(name) || /[\0\r\n]/.test(value)) this.#fault = "malformed";
    else this.#pseudo.set(name, value);
  }

  #onRegular(name: string, value: string): void {
    this.#hasRegular = true;
    const isConnectionSpecific = connectionNames.has(name) || (name === "te" && value !== "trailers");
    if (name === "" || invalidName.test(name) || invalidValue.test(value) || isConnectionSpecific) this.#fault = "malformed";
    else this.#fields.push(name, value);
  }

  #get(name: string): string | undefined {
    return valueOf(this.#fields, name);
  }

  #refusal(method: string, encoding: string, timeoutFault: string | undefined): Refusal | undefined {
    const { internal, unimplemented } = statusCode;
    const type = this.#get("content-type") ?? "";
    if (!/^application\/grpc($|[+;])/.test(type))
      return { httpStatus: 415, code: internal, details: `invalid gRPC request content-type "${type}"` };
    if (method !== "POST")
      return { httpStatus: 405, code: internal, details: `Received a HEADERS frame with :method "${method}" which should be POST` };
    if (timeoutFault !== undefined) return { httpStatus: 200, code: internal, details: `transport: malformed time-out: ${timeoutFault}` };
    if (encoding !== "" && encoding !== "identity" && encoding !== "gzip")
      return {
        httpStatus: 200,
        code: unimplemented,
        details: `grpc: Decompressor is not installed for grpc-encoding "${encoding}"`,
        acceptEncoding: true,
      };
    return undefined;
  }
}

function valueOf(fields: readonly string[], name: string): string | undefined {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return fields[at + 1];
  return undefined;
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** At most eight digits and a unit; or, as text, what is wrong (in grpc-go's words). */
function parseTimeoutMs(text: string): number | string {
  if (text.length < 2) return `transport: timeout string is too short: "${text}"`;
  if (text.length > 9) return `transport: timeout string is too long: "${text}"`;
  const unit = unitMs[text.slice(-1)];
  if (unit === undefined) return `transport: timeout unit is not recognized: "${text}"`;
  const digits = text.slice(0, -1);
  return /^\d+$/.test(digits) ? Number(digits) * unit : `strconv.ParseInt: parsing "${digits}": invalid syntax`;
}
