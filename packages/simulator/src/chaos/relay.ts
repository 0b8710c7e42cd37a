// A way to one member's peer address that can be cut: what others dial instead of the member itself.
//
// R1. Cutting is one-way by nature: the member's own connections to the others do not pass through here.
import { createConnection, createServer, type Server, type Socket } from "node:net";

export type LinkFault = "cut" | "stalled" | "halfClosed";

export class Relay {
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #fault: LinkFault | undefined;

  private constructor(
    readonly server: Server,
    readonly targetPort: number,
  ) {}

  static async start(port: number, targetPort: number): Promise<Relay> {
    const server = createServer({ allowHalfOpen: true });
    const relay = new Relay(server, targetPort);
    server.on("connection", (socket) => relay.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    return relay;
  }

  /** Cut: connections break and are refused. Stalled: bytes wait. Half-closed: the member hears that nothing more comes, and may still answer. */
  set(fault: LinkFault | undefined): void {
    this.#fault = fault;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  async close(): Promise<void> {
    this.set("cut");
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    if (this.#fault === "cut") {
      socket.destroy();
      return;
    }
    const onward: Socket = createConnection({ host: "127.0.0.1", port: this.targetPort, allowHalfOpen: true });
    const pair = [socket, onward] as const;
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      for (const side of pair) side.destroy();
    };
    for (const side of pair) side.on("error", end).on("close", end);
    this.#apply(pair);
  }

  #apply(pair: readonly [Socket, Socket]): void {
    const [socket, onward] = pair;
    // A pipe that is made twice carries everything twice.
    socket.unpipe(onward);
    onward.unpipe(socket);
    if (this.#fault === "cut") {
      socket.destroy();
    } else if (this.#fault === "halfClosed") {
      onward.end();
      onward.pipe(socket);
      socket.resume();
    } else if (this.#fault === "stalled") {
      for (const side of pair) side.pause();
    } else {
      if (onward.writableEnded) socket.resume();
      else socket.pipe(onward);
      onward.pipe(socket);
    }
  }
}
