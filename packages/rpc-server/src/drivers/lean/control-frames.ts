import { flag, frameType } from "./frames.js";
import type { Output } from "./output.js";

/** The frames by which a connection itself speaks. */
export class ControlFrames {
  /** @param onOutput runs after each frame. */
  constructor(
    private readonly output: Output,
    private readonly onOutput: () => void,
  ) {}

  settings(values: readonly (readonly [id: number, value: number])[]): void {
    const payload = Buffer.alloc(values.length * 6);
    for (const [position, [id, value]] of values.entries()) {
      payload.writeUInt16BE(id, position * 6);
      payload.writeUInt32BE(value, position * 6 + 2);
    }
    this.#frame(frameType.settings, flag.none, 0, payload);
  }

  settingsAck(): void {
    this.#frame(frameType.settings, flag.ack, 0, Buffer.alloc(0));
  }

  ping(flags: number, payload: Uint8Array): void {
    this.#frame(frameType.ping, flags, 0, payload);
  }

  windowUpdate(streamID: number, increment: number): void {
    this.output.frame(4, frameType.windowUpdate, flag.none, streamID);
    this.output.uint32(increment);
    this.onOutput();
  }

  reset(streamID: number, code: number): void {
    this.output.frame(4, frameType.rstStream, flag.none, streamID);
    this.output.uint32(code);
    this.onOutput();
  }

  goAway(lastID: number, code: number, debug: string): void {
    const payload = Buffer.alloc(8 + debug.length);
    payload.writeUInt32BE(lastID, 0);
    payload.writeUInt32BE(code, 4);
    payload.write(debug, 8, "latin1");
    this.#frame(frameType.goAway, flag.none, 0, payload);
  }

  #frame(type: number, flags: number, streamID: number, payload: Uint8Array): void {
    this.output.frame(payload.length, type, flags, streamID);
    this.output.payload(payload);
    this.onOutput();
  }
}
