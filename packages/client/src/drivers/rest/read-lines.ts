import type { Readable } from "node:stream";

/** A watch line holds one object of at most 3 MiB in the store; four times that is a broken peer. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

/** The lines of a stream, without their newline; an unfinished last line is an error only if it is not empty. */
export async function* readLines(stream: Readable): AsyncGenerator<string, void> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...pending, chunk.subarray(start, end)]).toString("utf8");
      pending = [];
      pendingBytes = 0;
      start = end + 1;
      if (line.trim() !== "") yield line;
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start));
      pendingBytes += chunk.length - start;
      if (pendingBytes > LINE_BYTES_MAX) throw new Error(`watch event is longer than ${LINE_BYTES_MAX} bytes`);
    }
  }
  if (pendingBytes > 0) throw new Error("unexpected EOF in watch stream");
}
