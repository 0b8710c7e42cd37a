import { silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { settle } from "@lenj/client/testing";
import { TerminalError } from "./errors.js";
import { type Reconcile, ReconcileLoop } from "./reconcile-loop.js";

function setUp(reconcile: Reconcile, isReady: (signal: AbortSignal) => Promise<void> = () => Promise.resolve()) {
  const clock = new ManualClock();
  const loop = new ReconcileLoop({ name: "test", reconcile, isReady, workers: 2, clock, logger: silentLogger });
  loop.start();
  return { clock, loop };
}

describe("ReconcileLoop", () => {
  it("L1 starts nothing before the caches are complete", async () => {
    const seen: string[] = [];
    let open = (): void => {};
    const ready = new Promise<void>((resolve) => (open = resolve));
    const { loop } = setUp(
      (name) => Promise.resolve(void seen.push(name)),
      () => ready,
    );
    loop.queue.add("a");
    await settle();
    expect(seen).toEqual([]);
    open();
    await settle();
    expect(seen).toEqual(["a"]);
    await loop.close();
  });

  it("L3 retries a failure with backoff until it succeeds", async () => {
    let attempts = 0;
    const { clock, loop } = setUp(() => {
      attempts += 1;
      return attempts < 3 ? Promise.reject(new Error("not yet")) : Promise.resolve();
    });
    loop.queue.add("a");
    await settle();
    clock.advance(5);
    await settle();
    clock.advance(10);
    await settle();
    expect([attempts, loop.queue.attempts("a"), clock.nextDueInMs()]).toEqual([3, 0, undefined]);
    await loop.close();
  });

  it("L3 does not retry a TerminalError, and looks again at a known time", async () => {
    const seen: string[] = [];
    const { clock, loop } = setUp((name) => {
      seen.push(name);
      if (name === "broken") throw new TerminalError("selector is empty");
      return Promise.resolve({ requeueAfterMs: 60_000 });
    });
    loop.queue.add("broken");
    loop.queue.add("timed");
    await settle();
    clock.advance(60_000);
    await settle();
    expect(seen).toEqual(["broken", "timed", "timed"]);
    await loop.close();
  });

  it("L4 waits for running reconciles when closing", async () => {
    let isDone = false;
    const { loop } = setUp(async (_, signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      isDone = true;
    });
    loop.queue.add("a");
    await settle();
    await loop.close();
    expect(isDone).toBe(true);
  });
});
