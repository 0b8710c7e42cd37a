// What reads rows in turns of its own, outside of any request: damage that it meets is the owner's, and does not end the process.
import { ManualClock } from "@lenj/base/testing";
import { KeySpace, LeaseTable, WriteTransaction } from "@lenj/mvcc";
import { MemoryBackend } from "@lenj/mvcc/testing";
import { CatchUp } from "./catch-up.js";
import { RowDropper } from "./row-dropper.js";

const damaged = new Error("checksum does not match");
const key = Buffer.from("a");

class DamagedBackend extends MemoryBackend {
  isDamaged = false;

  override get(...args: Parameters<MemoryBackend["get"]>): Uint8Array | undefined {
    if (this.isDamaged && args[0] === "key") throw damaged;
    return super.get(...args);
  }
}

describe("a damaged row", () => {
  let backend: DamagedBackend;
  let space: KeySpace;
  let failures: unknown[];

  beforeEach(() => {
    backend = new DamagedBackend();
    // So that rows are read from the backend.
    space = new KeySpace({ backend, leases: new LeaseTable(backend), cacheBytesMax: 0 });
    failures = [];
    for (const value of ["1", "2", "3"]) {
      const txn = new WriteTransaction(space);
      txn.put({ key, value: Buffer.from(value), lease: 0n, ignoreLease: false, ignoreValue: false, prevKv: false });
      txn.commit();
    }
    backend.isDamaged = true;
  });

  it("met while a compaction deletes ends that, and the owner is told", async () => {
    const clock = new ManualClock();
    const dropper = new RowDropper(space, clock, (error) => {
      failures.push(error);
      dropper.close();
    });
    space.compact(3);
    dropper.maybeStart();
    const done = dropper.done();
    clock.advance(1_000);
    await done;
    expect(failures).toEqual([damaged]);
    expect(clock.nextDueInMs()).toBeUndefined();
  });

  it("met while a watch catches up ends that, and the owner is told", () => {
    const turns: (() => void)[] = [];
    const catchUp = new CatchUp(
      space,
      (run) => turns.push(run),
      (error) => failures.push(error),
    );
    catchUp.watches.add({
      ...{ id: 1, startRevision: 2, range: { start: "a", end: undefined } },
      sink: { isWritable: () => true, sendEvents: () => {}, sendCompacted: () => {} },
      ...{ skipPuts: false, skipDeletes: false, wantsPrevious: false, wantsProgress: false, wantsFragments: false },
    });
    for (let run = turns.shift(); run !== undefined; run = turns.shift()) run();
    expect(failures).toEqual([damaged]);
  });
});
