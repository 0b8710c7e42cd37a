// Random buckets written and read back; what is damaged on purpose is told by page and reason.
import { SeededRandom } from "@lenj/base";
import fc from "fast-check";
import { checkBoltFile } from "./integrity.js";
import type { BoltFile } from "./layout.js";
import { BoltReader } from "./reader.js";
import { type BoltRow, type BoltSourceBucket, boltFilePages, planBoltFile } from "./writer.js";

/** Rows by bucket. A Map: names such as `__proto__` are no keys of a plain object. */
type Content = ReadonlyMap<string, readonly BoltRow[]>;

const bucketsOf = (rows: Readonly<Record<string, readonly BoltRow[]>>): Content => new Map(Object.entries(rows));

function fileOf(bytes: Buffer): BoltFile {
  return {
    sizeBytes: bytes.length,
    read: (offset, length) => {
      if (offset + length > bytes.length) throw new Error(`read past the end: ${offset} + ${length}`);
      return bytes.subarray(offset, offset + length);
    },
  };
}

function sourceOf(content: Content, chunkRows = 7): BoltSourceBucket[] {
  return [...content]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, rows]) => ({
      name,
      *rows() {
        for (let at = 0; at < rows.length; at += chunkRows) yield rows.slice(at, at + chunkRows);
      },
    }));
}

async function write(source: readonly BoltSourceBucket[], pageSizeBytes?: number): Promise<Buffer> {
  const plan = await planBoltFile(source, pageSizeBytes);
  const parts: Buffer[] = [];
  for await (const pages of boltFilePages(source, plan)) parts.push(pages);
  const bytes = Buffer.concat(parts);
  expect(bytes).toHaveLength(plan.sizeBytes);
  return bytes;
}

async function read(bytes: Buffer): Promise<Content> {
  const reader = await BoltReader.open(fileOf(bytes));
  const content = new Map<string, BoltRow[]>();
  for await (const { name, bucket } of reader.buckets()) {
    const rows: BoltRow[] = [];
    for await (const entries of reader.entries(bucket)) for (const { key, value } of entries) rows.push([key, value]);
    content.set(name.toString(), rows);
  }
  return content;
}

const bytesOf = (max: number): fc.Arbitrary<Buffer> => fc.uint8Array({ minLength: 1, maxLength: max }).map((bytes) => Buffer.from(bytes));
const rowsOf = fc
  .uniqueArray(fc.tuple(bytesOf(40), fc.oneof({ weight: 9, arbitrary: bytesOf(60) }, bytesOf(9_000))), {
    selector: ([key]) => key.toString("hex"),
    maxLength: 300,
  })
  .map((rows) => rows.sort(([a], [b]) => a.compare(b)));
const contentOf: fc.Arbitrary<Content> = fc
  .uniqueArray(fc.tuple(fc.oneof({ weight: 9, arbitrary: fc.stringMatching(/^[a-z_]{1,12}$/) }, fc.constant("__proto__")), rowsOf), {
    selector: ([name]) => name,
    minLength: 1,
    maxLength: 6,
  })
  .map((buckets) => new Map(buckets));

/** Rows enough for three levels of pages. */
function manyRows(count: number): BoltRow[] {
  const random = new SeededRandom(7);
  return Array.from({ length: count }, (_unused, number): BoltRow => {
    const key = Buffer.alloc(17, "_");
    key.writeBigUInt64BE(BigInt(number), 0);
    return [key, Buffer.alloc(random.below(200), number & 0xff)];
  });
}

describe("a written file", () => {
  it("reads back as the rows that went in, and its integrity check finds nothing", async () => {
    await fc.assert(
      fc.asyncProperty(contentOf, fc.constantFrom(512, 4_096), async (content, pageSizeBytes) => {
        const bytes = await write(sourceOf(content), pageSizeBytes);
        expect(await read(bytes)).toEqual(content);
        expect(await checkBoltFile(await BoltReader.open(fileOf(bytes)))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it("finds single keys through several levels of branches", async () => {
    const rows = manyRows(60_000);
    const reader = await BoltReader.open(fileOf(await write(sourceOf(bucketsOf({ key: rows, meta: [] }), 1_000))));
    const bucket = await reader.bucket("key");
    if (bucket === undefined) throw new Error("no bucket");
    for (const [key, value] of [rows[0], rows[1], rows[31_337], rows.at(-1)] as BoltRow[])
      expect(await reader.get(bucket, key)).toEqual(value);
    expect(await reader.get(bucket, Buffer.from("none"))).toBeUndefined();
    expect(await reader.bucket("none")).toBeUndefined();
    expect(await checkBoltFile(reader)).toEqual([]);
  });

  it("is refused when rows are out of order, have no key, or change between the passes", async () => {
    const wrong = (...keys: string[]): BoltSourceBucket[] =>
      sourceOf(bucketsOf({ b: keys.map((key): BoltRow => [Buffer.from(key), Buffer.alloc(0)]) }));
    await expect(planBoltFile(wrong("b", "a"))).rejects.toThrow("Cannot write into bucket b: key 61 does not follow 62");
    await expect(planBoltFile(wrong("a", "a"))).rejects.toThrow("does not follow");
    await expect(planBoltFile(wrong(""))).rejects.toThrow("key required");
    await expect(planBoltFile([])).rejects.toThrow("there is no bucket");
    const plan = await planBoltFile(sourceOf(bucketsOf({ key: manyRows(1_000) })));
    const late = async (): Promise<void> => {
      for await (const _ of boltFilePages(sourceOf(bucketsOf({ key: manyRows(2_000) })), plan)) void _;
    };
    await expect(late()).rejects.toThrow(`the plan was made for ${plan.pages}`);
  });
});

describe("a damaged file", () => {
  let bytes: Buffer;
  beforeEach(async () => {
    bytes = await write(sourceOf(bucketsOf({ key: manyRows(500), meta: [[Buffer.from("a"), Buffer.from("b")]] })));
  });

  it("opens by its second meta page when the first is damaged, and not without either", async () => {
    const whole = await read(bytes);
    bytes[30] = 0xff;
    expect(await read(bytes)).toEqual(whole);
    bytes[4_096 + 30] = 0xff;
    await expect(read(bytes)).rejects.toThrow("Cannot open database: checksum error");
    bytes.fill(0, 0, 8_192);
    await expect(read(bytes)).rejects.toThrow("invalid database");
    await expect(read(Buffer.alloc(10))).rejects.toThrow("file size too small");
  });

  it("names the page and the reason", async () => {
    const damage = async (change: (copy: Buffer) => Buffer | undefined): Promise<string> => {
      const copy = Buffer.from(bytes);
      const changed = change(copy) ?? copy;
      return read(changed).then(
        () => "no error",
        (error: Error) => error.message,
      );
    };
    const at = 3 * 4_096;
    expect(await damage((copy) => void copy.writeUInt32LE(9, at))).toBe("Cannot read page 3: it says that it is page 9");
    expect(await damage((copy) => void copy.writeUInt16LE(0x40, at + 8))).toBe(
      "Cannot read page 3: its kind is unknown<40>, must be branch or leaf",
    );
    expect(await damage((copy) => void copy.writeUInt16LE(9_999, at + 10))).toContain("Cannot read page 3: ");
    expect(await damage((copy) => void copy.writeUInt32LE(9_999, at + 12))).toContain("Cannot read page 3: its 9999 overflow pages pass");
    expect(await damage((copy) => void copy.writeUInt32LE(9_999, at + 16 + 12))).toContain("leaf element 0 ends at");
    expect(await damage((copy) => copy.subarray(0, 5 * 4_096))).toContain("the file ends before it");
    expect(await damage((copy) => void copy.copy(copy, at + 40, at + 16, at + 32))).toContain("Cannot read page 3: ");
  });

  it("is told about by the integrity check: pages in use twice, and pages of nobody", async () => {
    const reader = await BoltReader.open(fileOf(bytes));
    const branch = (await reader.bucket("key"))?.root ?? 0;
    const first = branch * 4_096 + 16;
    expect(bytes.readUInt32LE(branch * 4_096 + 8) & 1).toBe(1);
    const child = bytes.readBigUInt64LE(first + 8);
    bytes.writeBigUInt64LE(child + 1n, first + 8);
    expect(await checkBoltFile(reader)).toEqual([
      `page ${child + 1n}: multiple references`,
      `Cannot read page ${child + 1n}: leaf element 0 does not follow the key before it`,
    ]);
    bytes.writeBigUInt64LE(child, first + 8);
    // The freelist names a page that is in use.
    bytes.writeUInt16LE(1, 2 * 4_096 + 10);
    bytes.writeBigUInt64LE(child, 2 * 4_096 + 16);
    expect(await checkBoltFile(reader)).toEqual([`page ${child}: reachable freed`]);
  });
});
