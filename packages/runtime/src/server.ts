// The runtime's servers: CRI over gRPC on a unix socket, streams over HTTP. Ends without ending any container.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ImageServiceService, RuntimeServiceService } from "@lenj/proto/cri";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { createImageService } from "./drivers/cri-image-service.js";
import { createRuntimeService } from "./drivers/cri-runtime-service.js";
import { Runtime, type RuntimeOptions } from "./drivers/runtime.js";
import { StreamingServer } from "./drivers/streaming/streaming-server.js";

export interface RuntimeServerOptions extends RuntimeOptions {
  /** "unix:///run/lenj/runtime.sock" */
  readonly listen: string;
  readonly streamingAddress: string;
  readonly streamingPort: number;
}

export interface RunningRuntime {
  readonly runtime: Runtime;
  /** Sandboxes and containers go on. */
  close(): Promise<void>;
}

const messageBytesMax = 16 * 1024 * 1024;

/** Rejects when the socket or the streaming port cannot be bound. */
export async function startRuntime(options: RuntimeServerOptions): Promise<RunningRuntime> {
  const runtime = new Runtime(options);
  const streaming = new StreamingServer(runtime, options.logger);
  await streaming.listen(options.streamingAddress, options.streamingPort);
  const server = new Server({ "grpc.max_receive_message_length": messageBytesMax, "grpc.max_send_message_length": messageBytesMax });
  server.addService(RuntimeServiceService, createRuntimeService(runtime, streaming));
  server.addService(ImageServiceService, createImageService(runtime));
  const socket = options.listen.slice("unix://".length);
  mkdirSync(dirname(socket), { recursive: true, mode: 0o711 });
  // Left by a killed run; the records' directories would already have failed for a second living one.
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))));
  chmodSync(socket, 0o660);
  options.logger.info("Serving CRI", { socket, sandboxes: runtime.sandboxes.records.size, containers: runtime.containers.records.size, cgroups: runtime.cgroups.kind });
  return {
    runtime,
    close: async () => {
      server.forceShutdown();
      await streaming.close();
      runtime.close();
    },
  };
}
