// gRPC server reflection. Its library parses .proto files, so it is loaded by the first client that asks.
import { EventEmitter } from "node:events";
import { fileURLToPath } from "node:url";
import type { Server, ServerDuplexStream } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";

const protoRoot = fileURLToPath(new URL("../../../../proto", import.meta.url));
const paths = [
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
] as const;

interface Method {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (message: unknown) => Buffer;
}

interface Answering {
  readonly method: Method;
  readonly handle: (call: unknown) => void;
}

export function addReflectionService(server: Server): void {
  let loading: Promise<ReadonlyMap<string, Answering>> | undefined;
  for (const path of paths) {
    const raw = (bytes: Buffer): Buffer => bytes;
    const serverReflectionInfo = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: raw,
      requestDeserialize: raw,
      responseSerialize: raw,
      responseDeserialize: raw,
    };
    server.addService(
      { serverReflectionInfo },
      {
        serverReflectionInfo: (call: ServerDuplexStream<Buffer, Buffer>) => {
          loading ??= load();
          loading.then(
            (methods) => answer(call, methods.get(path) as Answering),
            () => call.emit("error", { code: status.UNAVAILABLE, details: "the service definitions are not installed" }),
          );
        },
      },
    );
  }
}

/** The library's handlers by path, caught as it registers them. */
async function load(): Promise<ReadonlyMap<string, Answering>> {
  const [{ ReflectionService }, { loadSync }] = await Promise.all([import("@grpc/reflection"), import("@grpc/proto-loader")]);
  const definitions = loadSync("lenj/api/v1/api.proto", { includeDirs: [protoRoot] });
  const methods = new Map<string, Answering>();
  new ReflectionService(definitions).addToServer({
    addService: (service: unknown, implementation: unknown) => {
      for (const [name, method] of Object.entries(service as Record<string, Method>)) {
        const handlers = implementation as Record<string, (call: unknown) => void>;
        const handle = handlers[name] ?? handlers[name.charAt(0).toLowerCase() + name.slice(1)];
        if (handle !== undefined) methods.set(method.path, { method, handle });
      }
    },
  } as Parameters<InstanceType<typeof ReflectionService>["addToServer"]>[0]);
  return methods;
}

function answer(call: ServerDuplexStream<Buffer, Buffer>, { method, handle }: Answering): void {
  const inner = Object.assign(new EventEmitter(), {
    write: (message: unknown) => call.write(method.responseSerialize(message)),
    end: () => call.end(),
  });
  handle(inner);
  call.on("data", (bytes: Buffer) => inner.emit("data", method.requestDeserialize(bytes)));
  call.on("end", () => inner.emit("end"));
  call.on("cancelled", () => inner.emit("end"));
}
