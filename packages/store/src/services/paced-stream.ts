// Writing a long answer no faster than the client takes it.
import type { RpcServerStream } from "@lenj/rpc-server";
import { StoreError } from "../core/errors.js";

export class PacedStream<Response> {
  #isClosed = false;
  #wake = (): void => {};

  /** Takes over `onDrain` and `onClose` of the stream: to be made before the handler first waits. */
  constructor(private readonly stream: RpcServerStream<Response>) {
    stream.onDrain = () => this.#wake();
    stream.onClose = () => {
      this.#isClosed = true;
      this.#wake();
    };
  }

  /** Resolves when there is room for the next message. Rejects with CANCELED once the stream is over, whoever ended it. */
  async write(message: Response): Promise<void> {
    this.#throwIfClosed();
    this.stream.write(message);
    while (this.stream.needsDrain && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#throwIfClosed();
  }

  #throwIfClosed(): void {
    if (this.#isClosed) throw new StoreError("CANCELED");
  }
}
