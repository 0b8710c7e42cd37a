// Way in from the machine: connections that a listener on 127.0.0.1 accepted, forwarded to a host of the lab.
//
// The listeners are made by `lenj up` in the machine's network namespace and handed over with their file descriptors;
// a socket stays in the namespace it was made in, so accepting here still means the machine's 127.0.0.1.
import { connect, type Server, type Socket } from "node:net";

export interface RelayTarget {
  readonly address: string;
  readonly port: number;
}

/** Forwards every connection of `server`. Returns a function that ends the listener and its connections. */
export function relay(server: Server, target: RelayTarget): () => void {
  const sockets = new Set<Socket>();
  const own = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  server.on("connection", (inside: Socket) => {
    const outside = connect({ host: target.address, port: target.port, noDelay: true });
    inside.setNoDelay(true);
    own(inside);
    own(outside);
    inside.pipe(outside);
    outside.pipe(inside);
    // Either side going away ends the other; what went wrong is for the two ends to say.
    inside.once("error", () => outside.destroy());
    outside.once("error", () => inside.destroy());
    inside.once("close", () => outside.destroy());
    outside.once("close", () => inside.destroy());
  });
  return () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
}
