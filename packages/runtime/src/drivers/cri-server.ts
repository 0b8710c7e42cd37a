// The CRI's gRPC server on its unix socket.
//
// C1. The socket belongs to whoever listens: one that a killed process left is replaced, one that answers is not.
import { chmodSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ImageServiceService, RuntimeServiceService } from "@lenj/proto/cri";
import { createImageService } from "./cri-image-service.js";
import { createRuntimeService } from "./cri-runtime-service.js";
import type { Runtime } from "./runtime.js";
import type { StreamingServer } from "./streaming/streaming-server.js";

/** ExecSync may answer two streams of 16 MiB. */
const messageBytesMax = 64 * 1024 * 1024;

/** Serves on `path`; resolves with the function that stops. Rejects when another runtime answers there. */
export async function serveCRI(path: string, runtime: Runtime, streaming: StreamingServer): Promise<() => Promise<void>> {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path)) {
    if (await isAnswered(path)) throw new Error(`listen unix ${path}: bind: address already in use`);
    rmSync(path, { force: true });
  }
  const server = new Server({ "grpc.max_receive_message_length": messageBytesMax, "grpc.max_send_message_length": messageBytesMax });
  server.addService(RuntimeServiceService, createRuntimeService(runtime, streaming));
  server.addService(ImageServiceService, createImageService(runtime));
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error)));
  });
  chmodSync(path, 0o660);
  return () =>
    new Promise((resolve) => {
      // Event streams and slow calls do not keep a stopping runtime.
      const force = setTimeout(() => server.forceShutdown(), 2_000);
      server.tryShutdown(() => {
        clearTimeout(force);
        resolve();
      });
    });
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
