// The log format of the Container Runtime Interface: "<RFC3339 time> <stream> <P|F> <text>".
//
// F1. A line of more than lineBytesMax bytes is split: all parts but the last are tagged P.
// F2. Text without newline is held until its newline, or until flush() at the stream's end, which writes it tagged P: no newline
//     ever came, and readers must not show one.
// Source: kubernetes cri-api log format; containerd's sizes and trimmed nanoseconds.

export type LogStream = "stdout" | "stderr";

/** Longest text in one log line. Upstream: containerd max_container_log_line_size. */
export const lineBytesMax = 16 * 1024;

const newline = 0x0a;

/** Turns one stream's chunks into log lines. */
export class LogFormatter {
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(readonly stream: LogStream) {}

  /** Complete log lines for `chunk`; `timestamp` is formatTimestamp's text for its arrival. */
  push(chunk: Uint8Array, timestamp: string): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let start = 0;
    while (start < chunk.length) {
      const room = lineBytesMax - this.#heldBytes;
      const end = chunk.indexOf(newline, start);
      if (end >= 0 && end - start <= room) {
        this.#hold(chunk.subarray(start, end));
        lines.push(this.#take(timestamp, "F"));
        start = end + 1;
      } else if (chunk.length - start > room) {
        this.#hold(chunk.subarray(start, start + room));
        lines.push(this.#take(timestamp, "P"));
        start += room;
      } else {
        // A copy: the caller may reuse its buffer.
        this.#hold(chunk.slice(start));
        start = chunk.length;
      }
    }
    return lines;
  }

  /** What is left at the stream's end. */
  flush(timestamp: string): Uint8Array[] {
    return this.#heldBytes === 0 ? [] : [this.#take(timestamp, "P")];
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
  }

  #take(timestamp: string, tag: "P" | "F"): Uint8Array {
    const head = new TextEncoder().encode(`${timestamp} ${this.stream} ${tag} `);
    const line = new Uint8Array(head.length + this.#heldBytes + 1);
    line.set(head);
    let offset = head.length;
    for (const part of this.#held) {
      line.set(part, offset);
      offset += part.length;
    }
    line[offset] = newline;
    this.#held = [];
    this.#heldBytes = 0;
    return line;
  }
}

/** RFC 3339 with nanoseconds whose trailing zeros are trimmed, as Go's RFC3339Nano prints. */
export function formatTimestamp(nanoseconds: bigint): string {
  const seconds = nanoseconds / 1_000_000_000n;
  const fraction = String(nanoseconds % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  // Not the machine's clock: only the calendar arithmetic of Date.
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${text}${fraction === "" ? "" : `.${fraction}`}Z`;
}
