// The archive on a real disk: restarts, crashes, gaps, limits.
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock, silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import type { Entry } from "@lenj/raft";
import { LogArchive, type LogArchiveOptions } from "./log-archive.js";
import { archiveFolder, readArchive } from "./read-archive.js";

const entry = (index: number): Entry => ({ index, term: 1 + Math.floor(index / 10), type: "normal", data: Buffer.alloc(100, index) });

describe("a log archive", () => {
  let archiveDir: string;
  let archive: LogArchive;

  const openArchive = async (limits: Partial<LogArchiveOptions> = {}): Promise<LogArchive> => {
    archive = await LogArchive.open({
      archiveDir,
      clusterID: 0xabcn,
      memberID: 0x1n,
      bytesMax: 1e9,
      clock: new SystemClock(),
      logger: silentLogger,
      ...limits,
    });
    return archive;
  };
  const appendAll = (first: number, last: number): void => {
    for (let index = first; index <= last; index += 1) archive.append(entry(index), index * 10);
  };
  const read = async (after: number): Promise<number[]> => {
    const found: number[] = [];
    for await (const { index, revision, data } of readArchive(await archiveFolder(archiveDir), after)) {
      expect(revision).toBe(index * 10);
      expect(data).toEqual(Buffer.alloc(100, index));
      found.push(index);
    }
    return found;
  };
  const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_unused, at) => first + at);

  beforeEach(async () => {
    archiveDir = mkdtempSync(join(tmpdir(), "lenj-archive-"));
    await openArchive();
  });

  afterEach(async () => {
    await archive.close();
    rmSync(archiveDir, { recursive: true, force: true });
  });

  it("goes on where it stopped, also in the middle of a record that a crash tore", async () => {
    appendAll(5, 20);
    await archive.close();
    const file = join(archive.folder, readdirSync(archive.folder)[0] ?? "");
    expect((await openArchive()).lastIndex).toBe(20);
    await archive.close();
    truncateSync(file, statSync(file).size - 30);
    expect((await openArchive()).lastIndex).toBe(19);
    appendAll(18, 25);
    await archive.close();
    expect(await read(4)).toEqual(range(5, 25));
    // The entry that the snapshot ends with comes first, to compare terms by.
    expect(await read(10)).toEqual(range(10, 25));
    appendFileSync(file, Buffer.from([0, 0, 0, 90, 1, 2]));
    expect(await read(10)).toEqual(range(10, 25));
  });

  it("loses nothing that comes while it writes", async () => {
    await archive.close();
    const clock = new ManualClock();
    await openArchive({ clock, segmentBytesMax: 2_000 });
    let last = 0;
    while (archive.durableIndex < 400) {
      appendAll(last + 1, last + 3);
      last += 3;
      clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await archive.close();
    expect(await read(0)).toEqual(range(1, last));
  });

  it("tells which entries are missing", async () => {
    appendAll(5, 20);
    await archive.close();
    await openArchive();
    appendAll(24, 30);
    await archive.close();
    await expect(read(4)).rejects.toThrow(`Cannot use archive ${archive.folder}: entries 21 to 23 are missing`);
    await expect(read(2)).rejects.toThrow("entries 3 to 4 are missing");
    expect(await read(23)).toEqual(range(24, 30));
    await expect(archiveFolder(`${tmpdir()}/none`)).rejects.toThrow();
  });

  it("removes its oldest segments past its limit", async () => {
    await archive.close();
    for (let index = 1; index <= 100; index += 10) {
      await openArchive({ segmentBytesMax: 1_000, bytesMax: 6_000 });
      appendAll(index, index + 9);
      await archive.close();
    }
    const sizes = readdirSync(archive.folder).map((name) => statSync(join(archive.folder, name)).size);
    expect(sizes.length).toBeGreaterThan(2);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(6_000 + 2_500);
    await expect(read(0)).rejects.toThrow("entries 1 to ");
    expect((await read(90)).at(-1)).toBe(100);
  });
});
