// The call that carries one state to a peer.
import type { ServiceError } from "@grpc/grpc-js";
import type { PeerClient, SnapshotChunk, SnapshotReply } from "@lenj/proto/raft";

export interface StateChannel {
  /** Resolves once there is room for more. Rejects once the call is over. */
  write(chunk: SnapshotChunk): Promise<void>;
  /** The next answer. Rejects when the call ends without one. */
  reply(): Promise<SnapshotReply>;
  end(): void;
  cancel(): void;
}

export class GrpcStateChannel implements StateChannel {
  readonly #stream: ReturnType<PeerClient["installSnapshot"]>;
  readonly #replies: SnapshotReply[] = [];
  #failure: Error | undefined;
  #wake = (): void => {};

  constructor(client: PeerClient) {
    this.#stream = client.installSnapshot();
    const over = (error: Error): void => {
      this.#failure ??= error;
      this.#wake();
    };
    this.#stream.on("data", (reply: SnapshotReply) => {
      this.#replies.push(reply);
      this.#wake();
    });
    this.#stream.on("drain", () => this.#wake());
    this.#stream.on("error", (error: ServiceError) => over(error));
    this.#stream.on("end", () => over(new Error("the receiver ended the transfer")));
  }

  async write(chunk: SnapshotChunk): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#stream.write(chunk)) while (this.#stream.writableNeedDrain && this.#failure === undefined) await this.#somethingHappens();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async reply(): Promise<SnapshotReply> {
    for (;;) {
      const next = this.#replies.shift();
      if (next !== undefined) return next;
      if (this.#failure !== undefined) throw this.#failure;
      await this.#somethingHappens();
    }
  }

  end(): void {
    this.#stream.end();
  }

  cancel(): void {
    this.#stream.cancel();
  }

  #somethingHappens(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
