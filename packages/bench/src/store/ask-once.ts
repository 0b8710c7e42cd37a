// One unary call, for its answer: h2load sees HTTP's status only, and a gRPC failure comes with 200, too.
import { connect } from "node:http2";
import type { BenchCluster } from "./cluster.js";
import { framed, grpcHeaderBytes } from "./framing.js";

const answerMsMax = 10_000;

/** Returns the message of the answer. Throws when its gRPC status is not 0. */
export async function askOnce(cluster: BenchCluster, path: string, message: Uint8Array): Promise<Buffer> {
  const { endpoints, options } = cluster;
  const session = connect(endpoints[0] as string, { ...(options.certificates && { ca: options.certificates.authority }) });
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      session.on("error", reject);
      const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
      const stream = session.request(headers, { signal: AbortSignal.timeout(answerMsMax) });
      const chunks: Buffer[] = [];
      let status: unknown;
      let text: unknown;
      const note = (fields: NodeJS.Dict<unknown>): void => {
        status ??= fields["grpc-status"];
        text ??= fields["grpc-message"];
      };
      stream.on("response", note);
      stream.on("trailers", note);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("close", () => {
        if (status === "0") resolve(Buffer.concat(chunks).subarray(grpcHeaderBytes));
        else reject(new Error(`${path} at ${cluster.name} failed: grpc-status ${String(status)} ${String(text)}`));
      });
      stream.end(framed(message));
    });
  } finally {
    session.destroy();
  }
}
