// grpc.health.v1 by hand: two messages of one field each do not need a library that loads .proto files at start.
// Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md.
import type { Server, ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";

/** Wire values of HealthCheckResponse.ServingStatus. */
const serving = 1;
const notServing = 2;
const serviceUnknown = 3;

const known: ReadonlySet<string> = new Set(["", "lenj.api.v1.ResourceService"]);

const definition = {
  check: {
    path: "/grpc.health.v1.Health/Check",
    requestStream: false,
    responseStream: false,
    requestSerialize: encodeService,
    requestDeserialize: decodeService,
    responseSerialize: encodeStatus,
    responseDeserialize: decodeStatus,
  },
  watch: {
    path: "/grpc.health.v1.Health/Watch",
    requestStream: false,
    responseStream: true,
    requestSerialize: encodeService,
    requestDeserialize: decodeService,
    responseSerialize: encodeStatus,
    responseDeserialize: decodeStatus,
  },
} as const;

/** Adds the service; the result makes it answer NOT_SERVING from then on. */
export function addHealthService(server: Server): () => void {
  let current = serving;
  const watchers = new Set<ServerWritableStream<string, number>>();
  const statusOf = (service: string): number => (known.has(service) ? current : serviceUnknown);
  server.addService(definition, {
    check: (call: ServerUnaryCall<string, number>, callback: sendUnaryData<number>) => {
      if (!known.has(call.request)) callback({ code: status.NOT_FOUND, details: "unknown service" });
      else callback(null, statusOf(call.request));
    },
    watch: (call: ServerWritableStream<string, number>) => {
      watchers.add(call);
      call.on("cancelled", () => watchers.delete(call));
      call.write(statusOf(call.request));
    },
  });
  return () => {
    current = notServing;
    for (const call of watchers) call.write(statusOf(call.request));
  };
}

function encodeService(service: string): Buffer {
  const text = Buffer.from(service);
  return text.length === 0 ? text : Buffer.concat([Buffer.from([0x0a, text.length]), text]);
}

function decodeService(bytes: Buffer): string {
  // Names are short: their length is one byte.
  return bytes.length >= 2 && bytes[0] === 0x0a ? bytes.subarray(2, 2 + (bytes[1] as number)).toString("utf8") : "";
}

function encodeStatus(value: number): Buffer {
  return Buffer.from([0x08, value]);
}

function decodeStatus(bytes: Buffer): number {
  return bytes[1] ?? 0;
}
