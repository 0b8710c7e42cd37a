import { ConnectionError, errorCode } from "./frames.js";
import { continuationsMax, headerBlockBytesMax } from "./limits.js";

/** A header block that comes in several frames (RFC 9113, section 4.3); nothing else may come on the connection until it is whole. */
export class HeaderAssembly {
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(
    readonly streamID: number,
    readonly isLast: boolean,
    readonly dependsOnItself: boolean,
  ) {}

  /** Throws {@link ConnectionError} for a block that never ends (CVE-2024-27316 and its like). */
  add(bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    if (this.#parts.length > continuationsMax || this.#bytes > headerBlockBytesMax)
      throw new ConnectionError(errorCode.enhanceYourCalm, "Header block is too long");
    // A copy: a small part must not keep all that was read with it.
    this.#parts.push(Buffer.from(bytes.subarray(start, end)));
  }

  whole(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
