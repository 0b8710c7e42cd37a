// Which revisions the hash of a key space covers. The expected ones are those of etcd 3.4.23 for the same steps.
import { keyRangeFromWire } from "./key-range.js";
import { KeySpace } from "./key-space.js";
import { LeaseTable } from "./lease/lease-table.js";
import { decodeMain } from "./revision.js";
import { MemoryBackend } from "./testing/memory-backend.js";
import { WriteTransaction } from "./write-transaction.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("KeySpace.hashedAt()", () => {
  let backend: MemoryBackend;
  let space: KeySpace;

  beforeEach(() => {
    backend = new MemoryBackend();
    space = new KeySpace({ backend, leases: new LeaseTable(backend) });
  });

  function put(key: string): void {
    const txn = new WriteTransaction(space);
    txn.put({ key: bytes(key), value: bytes("v"), lease: 0n, ignoreLease: false, ignoreValue: false, prevKv: false });
    txn.commit();
  }

  function deleteAll(): void {
    const txn = new WriteTransaction(space);
    txn.deleteRange(keyRangeFromWire(Uint8Array.of(0), Uint8Array.of(0)), false);
    txn.commit();
  }

  function hashed(revision = space.currentRevision): number[] {
    const isHashed = space.hashedAt(revision);
    return [...backend.rows("key")].filter(([key, row]) => isHashed(decodeMain(key), row)).map(([key]) => decodeMain(key));
  }

  /** The same before and after what a compaction freed is dropped: members drop at different times. */
  function compact(revision: number, expected: readonly number[]): void {
    space.compact(revision);
    expect(hashed()).toEqual(expected);
    while (space.dropSome(100));
    expect(hashed()).toEqual(expected);
  }

  it("covers all changes while nothing is compacted", () => {
    put("a");
    put("a");
    deleteAll();
    expect(hashed()).toEqual([2, 3, 4]);
    expect(hashed(3)).toEqual([2, 3]);
  });

  it("covers of what is older than a compaction only what exists at the hashed revision", () => {
    put("a");
    put("b");
    put("a");
    compact(3, [3, 4]);
    expect(hashed(3)).toEqual([2, 3]);
  });

  it("covers what the compaction kept when nothing exists at the hashed revision", () => {
    put("a");
    put("b");
    put("a");
    compact(3, [3, 4]);
    deleteAll();
    expect(hashed()).toEqual([2, 3, 4, 5, 5]);
  });

  it("leaves out a deletion at the compacted revision, which earlier releases do not keep", () => {
    put("a");
    deleteAll();
    compact(3, []);
    put("b");
    expect(hashed()).toEqual([4]);
  });
});
