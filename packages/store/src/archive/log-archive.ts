// Keeps what was committed, for restoring to a point in time: every applied entry is appended to segments on disk.
//
// Owns:  one folder, `<archive-dir>/<cluster>-<member>`; nothing else writes there.
// C1. Entries are appended in order, each once; where entries are missing (a state that came from the leader, a disk that failed for too
//     long) a new segment begins after the gap, which a restore across it reports.
// C2. `durableIndex` only names entries that are on disk; the raft log is not cut past it, so that a restart finds there what is missing.
// C3. The archive never holds the store up: a disk that fails is tried again, and past `waitingBytesMax` what waits is given up.
// C4. Segments past `bytesMax` in all are removed, oldest first, once a newer one has begun.
import { type FileHandle, mkdir, open, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import type { Clock, Logger, Timer } from "@lenj/base";
import type { Entry } from "@lenj/raft";
import {
  decodeRecords,
  decodeSegmentHeader,
  encodeRecord,
  encodeSegmentHeader,
  firstIndexOf,
  segmentHeaderBytes,
  segmentName,
} from "./segment-codec.js";

const defaultSegmentBytesMax = 16 * 1024 * 1024;
/** Entries wait this long for others to be written with them. */
const flushIntervalMs = 100;
/** Unwritten bytes past which entries are given up: the archive then has a gap. */
const waitingBytesMax = 64 * 1024 * 1024;
/** After a failed write. */
const retryMs = 1_000;

export interface LogArchiveOptions {
  readonly archiveDir: string;
  readonly clusterID: bigint;
  readonly memberID: bigint;
  /** Size of all segments past which the oldest go. */
  readonly bytesMax: number;
  /** A segment is closed once it is larger. Default 16 MiB. */
  readonly segmentBytesMax?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Waiting {
  readonly index: number;
  readonly bytes: Buffer;
}

export class LogArchive {
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #file: FileHandle | undefined;
  #fileBytes = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #closed = false;

  private constructor(
    readonly folder: string,
    private readonly options: LogArchiveOptions,
    private last: number,
    private durable: number,
  ) {}

  /** Cuts off what a crash left of a last record. Throws DATA_DAMAGED. */
  static async open(options: LogArchiveOptions): Promise<LogArchive> {
    const folder = `${options.archiveDir}/${options.clusterID.toString(16)}-${options.memberID.toString(16)}`;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (;;) {
      const name = (await segmentNames(folder)).at(-1);
      if (name === undefined) return new LogArchive(folder, options, 0, 0);
      const bytes = await readFile(`${folder}/${name}`);
      const { entries, endBytes } =
        decodeSegmentHeader(bytes, name) === undefined ? { entries: [], endBytes: 0 } : decodeRecords(bytes, name);
      const last = entries.at(-1);
      if (last === undefined) {
        await rm(`${folder}/${name}`);
        continue;
      }
      if (endBytes < bytes.length) await truncate(`${folder}/${name}`, endBytes);
      const archive = new LogArchive(folder, options, last.index, last.index);
      archive.#file = await open(`${folder}/${name}`, "a");
      archive.#fileBytes = endBytes;
      return archive;
    }
  }

  /** Of the newest entry taken; 0 for an archive that never had one. */
  get lastIndex(): number {
    return this.last;
  }

  get durableIndex(): number {
    return this.durable;
  }

  /** Takes an applied entry; one that it has already is ignored. `revision`: the store's after it, 0 when not known. */
  append(entry: Entry, revision: number): void {
    if (entry.index <= this.last || this.#closed) return;
    if (entry.index !== this.last + 1 && this.last !== 0)
      this.options.logger.warn("Archive has a gap", { after: this.last, nextIndex: entry.index });
    this.last = entry.index;
    const bytes = encodeRecord({ ...entry, revision, wallMs: this.options.clock.wallMs() });
    this.#waiting.push({ index: entry.index, bytes });
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > waitingBytesMax) this.#giveUp();
    this.#schedule(flushIntervalMs);
  }

  /** Writes what waits, as far as the disk lets it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#writing;
    await this.#write();
    await this.#file?.close();
  }

  #giveUp(): void {
    this.options.logger.error("Archive gives entries up: its disk takes none", {
      firstIndex: this.#waiting[0]?.index,
      lastIndex: this.last,
      bytes: this.#waitingBytes,
    });
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined || this.#closed) return;
    this.#timer = this.options.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#writing = this.#write().then((isWritten) => {
        this.#writing = undefined;
        if (this.#waiting.length > 0) this.#schedule(isWritten ? flushIntervalMs : retryMs);
      });
    });
  }

  /** Returns false when the disk refused; what waits then waits on, for a new segment. */
  async #write(): Promise<boolean> {
    // A copy: more may come to wait while this is written.
    const batch = [...this.#waiting];
    const [first] = batch;
    const last = batch.at(-1);
    if (first === undefined || last === undefined) return true;
    try {
      const continues =
        this.#file !== undefined &&
        first.index === this.durable + 1 &&
        this.#fileBytes < (this.options.segmentBytesMax ?? defaultSegmentBytesMax);
      if (!continues) await this.#startSegment(first.index);
      const file = this.#file as FileHandle;
      const bytes = Buffer.concat(batch.map((record) => record.bytes));
      await writeAll(file, bytes);
      await file.datasync();
      this.#fileBytes += bytes.length;
    } catch (error) {
      this.options.logger.error("Cannot write the archive", { folder: this.folder, error });
      await this.#file?.close().catch(() => {});
      this.#file = undefined;
      return false;
    }
    // Nothing of the batch may have been given up meanwhile.
    if (this.#waiting[0] === first) {
      this.#waiting = this.#waiting.slice(batch.length);
      this.#waitingBytes = this.#waiting.reduce((sum, record) => sum + record.bytes.length, 0);
      this.durable = last.index;
    }
    return true;
  }

  async #startSegment(firstIndex: number): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    const file = await open(`${this.folder}/${segmentName(firstIndex)}`, "w", 0o600);
    this.#file = file;
    const { clusterID, memberID } = this.options;
    await writeAll(file, encodeSegmentHeader({ clusterID, memberID, firstIndex }));
    this.#fileBytes = segmentHeaderBytes;
    await this.#removeOldest();
    // The new file's name must be on disk, too.
    const folder = await open(this.folder, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async #removeOldest(): Promise<void> {
    const names = await segmentNames(this.folder);
    const sizes = await Promise.all(names.map(async (name) => (await stat(`${this.folder}/${name}`)).size));
    let total = sizes.reduce((sum, size) => sum + size, 0);
    for (const [position, name] of names.slice(0, -1).entries()) {
      if (total <= this.options.bytesMax) return;
      await rm(`${this.folder}/${name}`);
      total -= sizes[position] ?? 0;
      this.options.logger.info("Removed archive segment", { name });
    }
  }
}

/** Segments of a folder, oldest first. */
export async function segmentNames(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => firstIndexOf(name) !== undefined).sort();
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}
