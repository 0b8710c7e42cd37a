// WebSocket handshakes of the kubelet's server, with subprotocol names that are no tokens and that the library would refuse.
import type { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { messagesOf, sendMessage } from "./streaming/channel-end.js";

const messageBytesMax = 32 * 1024 * 1024;

/** Completes the handshake under one of `known`, the server's order of preference. Undefined: the client offers none of them. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  known: readonly string[],
): Promise<{ socket: WebSocket; protocol: string }> | undefined {
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  const protocol = known.find((name) => offered.includes(name));
  if (protocol === undefined) return undefined;
  // The library parses the offer strictly; the choice is put into the answer by hand.
  delete request.headers["sec-websocket-protocol"];
  const server = new WebSocketServer({ noServer: true, maxPayload: messageBytesMax });
  server.on("headers", (headers) => headers.push(`Sec-WebSocket-Protocol: ${protocol}`));
  return new Promise((resolve) => server.handleUpgrade(request, socket, head, (accepted) => resolve({ socket: accepted, protocol })));
}

/** The binary messages of a WebSocket as one stream of bytes: how SPDY is tunnelled. */
export function byteStreamOf(socket: WebSocket): Duplex {
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      sendMessage(socket, chunk).then(() => done(), done);
    },
    final: (done) => {
      socket.close(1000);
      done();
    },
    destroy: (error, done) => {
      socket.terminate();
      done(error);
    },
  });
  (async () => {
    for await (const message of messagesOf(socket)) stream.push(message);
    stream.push(null);
  })().catch((error: unknown) => stream.destroy(error as Error));
  return stream;
}
