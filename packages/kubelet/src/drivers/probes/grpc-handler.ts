// gRPC health probe: grpc.health.v1.Health/Check. Loaded only by nodes that run a pod with one.
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import type { ProbeOutcome } from "./handlers.js";

/** HealthCheckResponse.ServingStatus. */
const serving = 1;

export function probeGRPC(host: string, port: number, service: string, timeoutMs: number): Promise<ProbeOutcome> {
  const client = new Client(`${host}:${port}`, credentials.createInsecure(), {
    "grpc.enable_retries": 0,
    "grpc.primary_user_agent": "kube-probe/1.35",
  });
  return new Promise((resolve) => {
    const finish = (outcome: ProbeOutcome): void => {
      client.close();
      resolve(outcome);
    };
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      (name: string) => encodeRequest(name),
      (bytes: Buffer) => decodeStatus(bytes),
      service,
      new Metadata(),
      { deadline: Date.now() + timeoutMs },
      (error, answer) => {
        if (error === null) {
          if (answer === serving) finish({ result: "success", output: "service healthy" });
          else
            finish({
              result: "failure",
              output: `service unhealthy (responded with ${JSON.stringify(statusNames[answer ?? 0] ?? String(answer))})`,
            });
        } else if (error.code === status.UNIMPLEMENTED)
          finish({
            result: "failure",
            output: `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`,
          });
        else if (error.code === status.DEADLINE_EXCEEDED)
          finish({ result: "failure", output: `timeout: health rpc did not complete within ${timeoutMs / 1000}s` });
        else finish({ result: "failure", output: `error: health rpc probe failed: ${error.message}` });
      },
    );
  });
}

const statusNames = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

// Field 1, a string; an empty one is not written.
function encodeRequest(service: string): Buffer {
  const text = Buffer.from(service, "utf8");
  return text.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, text.length]), text]);
}

// Field 1, an enumeration of small numbers.
function decodeStatus(bytes: Buffer): number {
  return bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0;
}
