import { silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { StoreError } from "../core/errors.js";
import { AutoCompactor, type CompactionPolicy } from "./auto-compactor.js";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** A history that gains a revision a minute. */
function world(policy: CompactionPolicy) {
  const clock = new ManualClock();
  const compacted: { readonly atMinute: number; readonly revision: number }[] = [];
  const history = {
    isLeader: true,
    compactRevision: 0,
    failure: undefined as StoreError | undefined,
    get currentRevision() {
      return 1 + Math.floor(clock.monotonicMs() / minuteMs);
    },
    compact(revision: number): Promise<void> {
      compacted.push({ atMinute: clock.monotonicMs() / minuteMs, revision });
      if (history.failure !== undefined) return Promise.reject(history.failure);
      history.compactRevision = revision;
      return Promise.resolve();
    },
  };
  const compactor = new AutoCompactor(history, policy, clock, silentLogger);
  compactor.start();
  /** In steps, between which promises settle. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += minuteMs / 2) {
      clock.advance(minuteMs / 2);
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  return { clock, compacted, history, compactor, pass };
}

describe("by revision", () => {
  it("leaves the newest, every five minutes", async () => {
    const { compacted, pass } = world({ mode: "revision", retention: 7 });
    await pass(16 * minuteMs);
    // At five minutes there are six revisions: nothing to forget yet.
    expect(compacted).toEqual([
      { atMinute: 10, revision: 4 },
      { atMinute: 15, revision: 9 },
    ]);
  });

  it("does nothing unless it leads, nor after it was closed", async () => {
    const { clock, compacted, history, compactor, pass } = world({ mode: "revision", retention: 1 });
    history.isLeader = false;
    await pass(hourMs);
    expect(compacted).toEqual([]);
    history.isLeader = true;
    await pass(5 * minuteMs);
    expect(compacted).toEqual([{ atMinute: 65, revision: 65 }]);
    compactor.close();
    expect(clock.nextDueInMs()).toBeUndefined();
  });

  it("does not repeat what has been compacted", async () => {
    const { compacted, history, pass } = world({ mode: "revision", retention: 3 });
    history.compactRevision = 1_000;
    await pass(hourMs);
    expect(compacted).toEqual([]);
  });
});

describe("by time", () => {
  it("waits for one retention, then forgets what is older, once per retention", async () => {
    const { compacted, pass } = world({ mode: "periodic", retention: 20 * minuteMs });
    await pass(61 * minuteMs);
    expect(compacted).toEqual([
      { atMinute: 20, revision: 1 },
      { atMinute: 40, revision: 21 },
      { atMinute: 60, revision: 41 },
    ]);
  });

  it("acts every hour when the retention is longer", async () => {
    const { compacted, pass } = world({ mode: "periodic", retention: 3 * hourMs });
    await pass(5 * hourMs);
    expect(compacted).toEqual([
      { atMinute: 180, revision: 1 },
      { atMinute: 240, revision: 61 },
      { atMinute: 300, revision: 121 },
    ]);
  });

  it("tries again a tenth of the interval later when it failed, but not when somebody else was faster", async () => {
    const { compacted, history, pass } = world({ mode: "periodic", retention: hourMs });
    history.failure = new StoreError("TIMEOUT");
    await pass(hourMs + 6 * minuteMs);
    history.failure = new StoreError("COMPACTED");
    await pass(hourMs);
    expect(compacted).toEqual([
      { atMinute: 60, revision: 1 },
      { atMinute: 66, revision: 7 },
      { atMinute: 72, revision: 13 },
    ]);
  });

  it("goes on at once when it begins to lead", async () => {
    const { compacted, history, pass } = world({ mode: "periodic", retention: hourMs });
    history.isLeader = false;
    await pass(5 * hourMs);
    history.isLeader = true;
    await pass(6 * minuteMs);
    expect(compacted).toEqual([{ atMinute: 306, revision: 247 }]);
  });

  it("is off with a retention of 0", () => {
    expect(world({ mode: "periodic", retention: 0 }).clock.nextDueInMs()).toBeUndefined();
  });
});
