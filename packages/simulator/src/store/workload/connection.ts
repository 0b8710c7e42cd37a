import { isMvccError } from "@lenj/mvcc";
import type { RpcCall, RpcDuplexStream } from "@lenj/rpc-server";
import { isStoreError } from "@lenj/store/core";
import type { EventLoop } from "../../world/event-loop.js";
import type { StoreMember } from "../store-member.js";

export type Result = { readonly value: unknown } | { readonly error: string };
/** Calls one method of a member. `settle` runs at most once; never when the member dies meanwhile. NOT_SENT: nobody was there. */
export function callUnary(member: StoreMember, path: string, request: unknown, settle: (result: Result) => void): void {
  const { loop } = member.disk;
  const later = (result: Result): void => loop.after(loop.between(0, 3), () => settle(result));
  loop.after(loop.between(0, 3), () => {
    const isServed = member.serve(
      path,
      (handler, call) => {
        new Promise((resolve) => resolve(handler(request, call))).then(
          (value) => later({ value }),
          (error: unknown) => later({ error: codeOf(error) }),
        );
      },
      (error) => later({ error: codeOf(error) }),
    );
    if (!isServed) later({ error: "NOT_SENT" });
  });
}

/** A stream of messages both ways, as a client holds it. */
export interface ClientStream {
  send(message: unknown): void;
  /** A stalled client reads nothing: what is sent to it waits, and the server is told so. */
  setStalled(isStalled: boolean): void;
  close(): void;
}

/** `onEnd` runs once, unless the client closes the stream itself. */
export function openStream(
  member: StoreMember,
  path: string,
  events: { readonly onMessage: (message: unknown) => void; readonly onEnd: () => void },
): ClientStream {
  const { loop } = member.disk;
  const stream = new SimulatedStream(loop, member, events);
  loop.after(loop.between(0, 3), () => {
    stream.connect();
    const isServed = member.serve(
      path,
      (handler, call) => stream.accept(call, handler),
      () => stream.breakOff(),
    );
    if (!isServed) stream.breakOff();
  });
  return stream;
}

class SimulatedStream implements ClientStream {
  #server: ServerStream | undefined;
  #run: ((action: () => void) => void) | undefined;
  #unsent: unknown[] = [];
  #unread: unknown[] = [];
  #isStalled = false;
  #isOver = false;

  constructor(
    readonly loop: EventLoop,
    readonly member: StoreMember,
    readonly events: { readonly onMessage: (message: unknown) => void; readonly onEnd: () => void },
  ) {}

  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** From here on it ends with the process, also one that is stopped and never gets to accept it. */
  connect(): void {
    if (!this.#isOver) this.member.connections.add(this);
  }

  accept(call: RpcCall, start: (server: ServerStream) => void): void {
    if (this.#isOver) return;
    this.#run = this.member.runner();
    this.#server = new ServerStream(call, this);
    start(this.#server);
    for (const message of this.#unsent.splice(0)) this.send(message);
  }

  send(message: unknown): void {
    const server = this.#server;
    if (server === undefined) this.#unsent.push(message);
    else this.loop.after(1, () => this.#run?.(() => (this.#isOver ? undefined : server.onMessage(message))));
  }

  setStalled(isStalled: boolean): void {
    if (this.#isStalled === isStalled || this.#isOver) return;
    this.#isStalled = isStalled;
    if (isStalled) return;
    for (const message of this.#unread.splice(0)) this.events.onMessage(message);
    this.#run?.(() => (this.#isOver ? undefined : this.#server?.onDrain()));
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.member.connections.delete(this);
    this.#run?.(() => this.#server?.onClose());
  }

  /** From the server. */
  deliver(message: unknown): void {
    this.loop.after(1, () => {
      if (this.#isOver) return;
      if (this.#isStalled) this.#unread.push(message);
      else this.events.onMessage(message);
    });
  }

  /** The server, or its process, ended the stream. What it sent before still arrives. */
  breakOff(): void {
    this.member.connections.delete(this);
    this.loop.after(2, () => {
      if (this.#isOver) return;
      this.#isOver = true;
      for (const message of this.#unread.splice(0)) this.events.onMessage(message);
      this.events.onEnd();
    });
  }
}

class ServerStream implements RpcDuplexStream<unknown, unknown> {
  readonly path: string;
  readonly metadata: RpcCall["metadata"];
  readonly peer: RpcCall["peer"];
  readonly signal: AbortSignal;
  onMessage: (message: unknown) => void = () => {};
  onHalfClose: () => void = () => {};
  onDrain: () => void = () => {};
  onClose: () => void = () => {};
  #isOver = false;

  constructor(
    call: RpcCall,
    readonly client: SimulatedStream,
  ) {
    this.path = call.path;
    this.metadata = call.metadata;
    this.peer = call.peer;
    this.signal = call.signal;
  }

  get needsDrain(): boolean {
    return this.client.isStalled;
  }

  write(message: unknown): boolean {
    if (!this.#isOver) this.client.deliver(message);
    return !this.needsDrain;
  }

  end(): void {
    this.#finish();
  }

  fail(): void {
    this.#finish();
  }

  pause(): void {}

  resume(): void {}

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.client.breakOff();
    this.onClose();
  }
}

function codeOf(error: unknown): string {
  if (isStoreError(error) || isMvccError(error)) return error.code;
  return error instanceof Error ? error.message : String(error);
}
