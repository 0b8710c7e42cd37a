import { ConnectionError, errorCode, frameHeaderBytes, preface, uint24, uint31 } from "./frames.js";
import { receiveFrameBytesMax } from "./limits.js";

export interface FrameSink {
  /** The payload stands in `bytes` from `start` to `end`. False: no more is wanted. */
  onFrame(type: number, flags: number, streamID: number, bytes: Buffer, start: number, end: number): boolean;
}

/** A client's preface and then frames, or from a server frames alone, out of bytes that are split anywhere. What is kept between is less than one frame. */
export class FrameReader {
  #rest: Buffer | undefined;
  #hasPreface: boolean;

  constructor(from: "client" | "server") {
    this.#hasPreface = from === "server";
  }

  /** Hands on every frame that is whole. Throws {@link ConnectionError}. */
  read(chunk: Buffer, sink: FrameSink): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = this.#hasPreface ? 0 : this.#readPreface(bytes);
    while (this.#hasPreface && bytes.length - at >= frameHeaderBytes) {
      const length = uint24(bytes, at);
      if (length > receiveFrameBytesMax) throw new ConnectionError(errorCode.frameSizeError, "Frame is above SETTINGS_MAX_FRAME_SIZE");
      const start = at + frameHeaderBytes;
      const end = start + length;
      if (end > bytes.length) break;
      if (!sink.onFrame(bytes[at + 3] as number, bytes[at + 4] as number, uint31(bytes, at + 5), bytes, start, end)) return;
      at = end;
    }
    if (at < bytes.length) this.#rest = bytes.subarray(at);
  }

  #readPreface(bytes: Buffer): number {
    const length = Math.min(bytes.length, preface.length);
    if (!bytes.subarray(0, length).equals(preface.subarray(0, length)))
      throw new ConnectionError(errorCode.protocolError, "Client does not begin with the preface of HTTP/2");
    this.#hasPreface = length === preface.length;
    return this.#hasPreface ? length : 0;
  }
}
