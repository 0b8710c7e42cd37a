// How much a client may still send: windows that are opened wide once and topped up by halves.
//
// R1. A paused stream, or one that wants no more, gets no room.
// R2. While more than `unfinishedBytesMax` bytes of messages wait for their ends, only the stream that was first of them gets room: memory is
//     bounded, and yet every message can be finished.
import type { ControlFrames } from "./control-frames.js";
import { initialWindow } from "./frames.js";
import { connectionWindowBytes, streamWindowBytes, unfinishedBytesMax } from "./limits.js";

/** What is kept of each stream. */
export interface ReceiveSide {
  readonly id: number;
  /** What the client may still send. */
  receiveWindow: number;
  /** False for a paused stream and for one whose client has ended or is not listened to any more. */
  readonly wantsMore: boolean;
  /** Of a message whose end has not come. */
  readonly heldBytes: number;
}

export class ReceiveRoom {
  #window = connectionWindowBytes;
  #heldBytes = 0;
  /** In the order in which they began to hold something. */
  readonly #holding = new Set<ReceiveSide>();
  readonly #starved = new Set<ReceiveSide>();

  constructor(private readonly control: ControlFrames) {}

  open(): void {
    this.control.windowUpdate(0, connectionWindowBytes - initialWindow);
  }

  /**
   * DATA of `length` has come, on whatever stream. The connection's room is given back as it is used, so that what one stream holds up
   * does not hold up others; the streams' windows bound what is kept.
   */
  onData(length: number): void {
    this.#window -= length;
    if (this.#window * 2 > connectionWindowBytes) return;
    this.control.windowUpdate(0, connectionWindowBytes - this.#window);
    this.#window = connectionWindowBytes;
  }

  topUp(side: ReceiveSide): void {
    if (side.receiveWindow * 2 > streamWindowBytes || !side.wantsMore) return;
    const [first] = this.#holding;
    if (this.#heldBytes > unfinishedBytesMax && side !== first) {
      this.#starved.add(side);
      return;
    }
    this.#starved.delete(side);
    this.control.windowUpdate(side.id, streamWindowBytes - side.receiveWindow);
    side.receiveWindow = streamWindowBytes;
  }

  /** `side.heldBytes` has changed by so much. */
  onHeld(side: ReceiveSide, change: number): void {
    this.#heldBytes += change;
    if (side.heldBytes > 0) this.#holding.add(side);
    else this.#holding.delete(side);
    if (change < 0 && this.#starved.size > 0) for (const starved of [...this.#starved]) this.topUp(starved);
  }

  forget(side: ReceiveSide): void {
    this.#starved.delete(side);
  }
}
