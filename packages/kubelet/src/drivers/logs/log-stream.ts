// A container's log as a client reads it: from the CRI log file, from where it asked, on as it grows.
//
// LS1. A line is passed on once, whole, in order; a partial one as soon as it is written.
// LS2. Following ends when the container has ended and its file was read to the end, or the client left.
// Source: pkg/kubelet/kuberuntime/logs.
import { type FileHandle, open, stat } from "node:fs/promises";
import { type Clock, delay } from "@lenj/base";
import { type LogOptions, parseLogLine } from "../../core/logs/log-line.js";

const chunkBytes = 64 * 1024;
const pollMs = 100;
const newline = 0x0a;

export interface LogStreamOptions {
  readonly path: string;
  readonly options: LogOptions;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Whether more may be written. */
  readonly isRunning: () => boolean;
}

/** Pieces of text to send. Throws ENOENT when there is no file. */
export async function* streamLog({ path, options, clock, signal, isRunning }: LogStreamOptions): AsyncGenerator<Buffer, void> {
  let file = await open(path, "r");
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  try {
    let position = options.tailLines === undefined ? 0 : await startOfTail(file, options.tailLines);
    let carry: Buffer = Buffer.alloc(0);
    for (;;) {
      // Asked before reading: what was written until then is read below.
      const mayGrow = options.follow && isRunning() && !signal.aborted;
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position);
      position += bytesRead;
      if (bytesRead === 0) {
        if (!mayGrow) return;
        const rotated = await reopenRotated(path, file);
        if (rotated !== undefined) {
          await file.close();
          file = rotated;
          position = 0;
          continue;
        }
        await delay(clock, pollMs, signal).catch(() => {});
        continue;
      }
      const { text, rest } = format(Buffer.concat([carry, buffer.subarray(0, bytesRead)]), options);
      carry = rest;
      if (text.length === 0) continue;
      yield text.subarray(0, left);
      left -= text.length;
      if (left <= 0) return;
    }
  } finally {
    await file.close();
  }
}

/** The new file, when the path no longer names the one that is open. */
async function reopenRotated(path: string, file: FileHandle): Promise<FileHandle | undefined> {
  try {
    const [present, opened] = await Promise.all([stat(path), file.stat()]);
    return present.ino === opened.ino ? undefined : await open(path, "r");
  } catch {
    return undefined;
  }
}

function format(bytes: Buffer, options: LogOptions): { text: Buffer; rest: Buffer } {
  const parts: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
    const line = parseLogLine(bytes.subarray(start, end));
    start = end + 1;
    if (line === undefined || (options.stream !== "All" && options.stream.toLowerCase() !== line.stream)) continue;
    if (options.sinceMs !== undefined && Date.parse(line.time) < options.sinceMs) continue;
    if (options.timestamps) parts.push(Buffer.from(`${line.time} `));
    parts.push(line.text);
    if (!line.partial) parts.push(Buffer.from("\n"));
  }
  return { text: Buffer.concat(parts), rest: bytes.subarray(start) };
}

/** Where the last `lines` lines begin; partial ones count as lines, as upstream counts them. */
async function startOfTail(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  let seen = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - chunkBytes);
    const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    for (let position = buffer.length - 1; position >= 0; position -= 1) {
      if (buffer[position] !== newline) continue;
      seen += 1;
      // The newline at the very end closes the last line.
      if (seen > lines) return start + position + 1;
    }
    end = start;
  }
  return 0;
}
