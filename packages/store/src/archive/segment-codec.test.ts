import fc from "fast-check";
import {
  type ArchivedEntry,
  decodeRecords,
  decodeSegmentHeader,
  encodeRecord,
  encodeSegmentHeader,
  firstIndexOf,
  segmentName,
} from "./segment-codec.js";

const header = { clusterID: 0xfedc_ba98_7654_3210n, memberID: 7n, firstIndex: 12 };
const entryOf = fc.record({
  index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  term: fc.integer({ min: 1, max: 2 ** 40 }),
  revision: fc.nat(),
  wallMs: fc.integer({ min: 0, max: 2 ** 45 }),
  type: fc.constantFrom("normal" as const, "confChange" as const),
  data: fc.uint8Array({ maxLength: 80 }),
});

function segment(entries: readonly ArchivedEntry[]): Buffer {
  return Buffer.concat([encodeSegmentHeader(header), ...entries.map(encodeRecord)]);
}

const plain = (entries: readonly ArchivedEntry[]): unknown[] => entries.map((entry) => ({ ...entry, data: [...entry.data] }));

describe("an archive segment", () => {
  it("reads back as it was written", () => {
    fc.assert(
      fc.property(fc.array(entryOf, { maxLength: 20 }), (entries) => {
        const bytes = segment(entries);
        expect(decodeSegmentHeader(bytes, "s")).toEqual(header);
        const decoded = decodeRecords(bytes, "s");
        expect(plain(decoded.entries)).toEqual(plain(entries));
        expect(decoded.endBytes).toBe(bytes.length);
      }),
    );
  });

  it("that a crash tore anywhere holds the records written whole before, and no more", () => {
    fc.assert(
      fc.property(fc.array(entryOf, { minLength: 1, maxLength: 6 }), fc.nat(), fc.boolean(), (entries, at, fillsZeros) => {
        const bytes = segment(entries);
        const cutAt = 36 + (at % (bytes.length - 36));
        const torn = fillsZeros ? Buffer.concat([bytes.subarray(0, cutAt), Buffer.alloc(bytes.length - cutAt)]) : bytes.subarray(0, cutAt);
        const wholes = entries.filter((_entry, position) => segment(entries.slice(0, position + 1)).length <= cutAt);
        // Zeros may have been there anyway; then nothing was lost.
        const decoded = tryDecode(torn);
        if (decoded !== undefined) expect(plain(decoded.entries).slice(0, wholes.length)).toEqual(plain(wholes));
        if (!fillsZeros) expect(decoded?.entries).toHaveLength(wholes.length);
      }),
    );
  });

  it("with a damaged record that others follow is refused", () => {
    const entries = [1, 2, 3].map(
      (index): ArchivedEntry => ({ index, term: 1, revision: index, wallMs: 5, type: "normal", data: Buffer.from("data") }),
    );
    const bytes = segment(entries);
    bytes[36 + 20] = 0xff;
    expect(() => decodeRecords(bytes, "x.seg")).toThrow("Cannot read archive segment x.seg: its record at 36 is damaged");
    bytes[3] = 0;
    expect(() => decodeSegmentHeader(bytes, "x.seg")).toThrow("its header is damaged");
    expect(decodeSegmentHeader(bytes.subarray(0, 20), "x.seg")).toBeUndefined();
  });

  it("is named by its first entry", () => {
    expect(segmentName(255)).toBe("00000000000000ff.seg");
    expect(firstIndexOf("00000000000000ff.seg")).toBe(255);
    expect(firstIndexOf("notes.txt")).toBeUndefined();
  });
});

/** A record half filled with zeros, with more zeros after it, may also be taken for damage: that is an error, never a wrong entry. */
function tryDecode(bytes: Buffer): ReturnType<typeof decodeRecords> | undefined {
  try {
    return decodeRecords(bytes, "s");
  } catch {
    return undefined;
  }
}
