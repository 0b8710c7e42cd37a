// Reads a container's log for a client: from where it was asked to, as far as it was asked to, or as it grows.
//
// Owns:  the open file and the watch on its folder, until the reader is done with.
// R1. Following ends when the container has ended and everything was read, or with the signal.
// R2. A rotated file is read to its end before the new one is opened.
// Source: k8s.io/cri-client pkg/logs.
import { once } from "node:events";
import { watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type LogOptions, parseLogLine } from "../../core/logs/log-line.js";
import { parseTime } from "../../core/time-text.js";

const chunkBytes = 64 * 1024;
/** The state of the container is looked at this often while its log is silent. Upstream: stateCheckPeriod is 5 s. */
const quietCheckMs = 1_000;
const newline = 10;

export interface LogSource {
  readonly path: string;
  readonly isRunning: () => boolean;
}

/** Text of the log, piece by piece. Rejects with the file system's error when there is no such log. */
export async function* readLog(source: LogSource, options: LogOptions, signal: AbortSignal): AsyncGenerator<Buffer, void> {
  let file = await open(source.path, "r");
  const changes = options.follow ? watchFolder(source.path) : undefined;
  const select = new LineSelection(options);
  try {
    let position = options.tailLines === undefined ? 0 : await findTail(file, options.tailLines);
    let rest: Buffer = Buffer.alloc(0);
    while (!signal.aborted && !select.isDone) {
      // Asked before reading: what it wrote before it ended is then in the file.
      const isRunning = source.isRunning();
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position);
      position += bytesRead;
      if (bytesRead > 0) {
        const { lines, tail } = splitLines(Buffer.concat([rest, buffer.subarray(0, bytesRead)]));
        rest = tail;
        const text = select.take(lines);
        if (text.length > 0) yield text;
        continue;
      }
      if (!options.follow) break;
      const next = await reopened(source.path, file);
      if (next !== undefined) {
        await file.close();
        [file, position, rest] = [next, 0, Buffer.alloc(0)];
        continue;
      }
      if (!isRunning) break;
      await changes?.next(signal);
    }
    if (rest.length > 0 && !signal.aborted) {
      const text = select.take([rest]);
      if (text.length > 0) yield text;
    }
  } finally {
    changes?.close();
    await file.close();
  }
}

class LineSelection {
  #leftBytes: number;
  #isNewLine = true;

  constructor(readonly options: LogOptions) {
    this.#leftBytes = options.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  get isDone(): boolean {
    return this.#leftBytes <= 0;
  }

  take(lines: readonly Buffer[]): Buffer {
    const { sinceMs, stream, timestamps } = this.options;
    const pieces: Uint8Array[] = [];
    for (const line of lines) {
      const parsed = parseLogLine(line);
      if (parsed === undefined) continue;
      if (stream !== "All" && parsed.stream !== stream.toLowerCase()) continue;
      if (sinceMs !== undefined && (parseTime(parsed.time) ?? sinceMs) < sinceMs) continue;
      if (timestamps && this.#isNewLine) pieces.push(Buffer.from(`${parsed.time} `));
      pieces.push(parsed.text);
      if (!parsed.partial) pieces.push(Buffer.from("\n"));
      this.#isNewLine = !parsed.partial;
    }
    const text = Buffer.concat(pieces);
    const kept = text.length > this.#leftBytes ? text.subarray(0, this.#leftBytes) : text;
    this.#leftBytes -= kept.length;
    return kept;
  }
}

function splitLines(bytes: Buffer): { lines: Buffer[]; tail: Buffer } {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return { lines, tail: bytes.subarray(start) };
}

/** Where the last `count` lines begin. */
async function findTail(file: FileHandle, count: number): Promise<number> {
  const { size } = await file.stat();
  if (count <= 0) return size;
  let wanted = count;
  let isLast = true;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - chunkBytes);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(end - start), 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at -= 1) {
      // The newline that ends the file ends its last line and begins none.
      if (buffer[at] === newline && !isLast && --wanted === 0) return start + at + 1;
      isLast = false;
    }
    end = start;
  }
  return 0;
}

/** The file that has taken the place of `file`, if one has. */
async function reopened(path: string, file: FileHandle): Promise<FileHandle | undefined> {
  const [mine, current] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  if (current === undefined || current.ino === mine.ino) return undefined;
  // Gone again between the look and the opening: the next look tells.
  return open(path, "r").catch(() => undefined);
}

interface Changes {
  /** Resolves after something changed since the last call, or after a while. */
  next(signal: AbortSignal): Promise<void>;
  close(): void;
}

function watchFolder(path: string): Changes {
  let changed = false;
  const watcher = watch(dirname(path), { persistent: false }, () => {
    changed = true;
  });
  watcher.on("error", () => {
    // The folder was removed with its pod: the regular look finds that the container is gone.
  });
  return {
    next: async (signal) => {
      const timeout = AbortSignal.any([signal, AbortSignal.timeout(quietCheckMs)]);
      if (!changed) {
        await once(watcher, "change", { signal: timeout }).catch(() => undefined);
      }
      changed = false;
    },
    close: () => watcher.close(),
  };
}
