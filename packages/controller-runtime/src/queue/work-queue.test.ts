import { ManualClock } from "@lenj/base/testing";
import { WorkQueue } from "./work-queue.js";

function setUp() {
  const clock = new ManualClock();
  return { clock, queue: new WorkQueue({ clock }) };
}

describe("WorkQueue", () => {
  it("Q1 holds an item once however often it is added", async () => {
    const { queue } = setUp();
    for (const item of ["a", "b", "a"]) queue.add(item);
    expect(queue.length).toBe(2);
    expect(await queue.next()).toBe("a");
    expect(await queue.next()).toBe("b");
  });

  it("Q2 hands an item out again after its work when it was added meanwhile, and not before", async () => {
    const { queue } = setUp();
    queue.add("a");
    await queue.next();
    queue.add("a");
    queue.add("a");
    expect(queue.length).toBe(0);
    queue.done("a");
    expect(queue.length).toBe(1);
  });

  it("Q3 keeps the earliest of the times asked for", () => {
    const { clock, queue } = setUp();
    queue.addAfter("a", 500);
    queue.addAfter("a", 100);
    queue.addAfter("a", 300);
    clock.advance(99);
    expect(queue.length).toBe(0);
    clock.advance(1);
    expect(queue.length).toBe(1);
    clock.advance(1000);
    expect(queue.length).toBe(1);
  });

  it("doubles the backoff of an item from 5 ms and forgets it on success", () => {
    const { clock, queue } = setUp();
    for (const waitMs of [5, 10, 20]) {
      queue.addRateLimited("a");
      expect(clock.nextDueInMs()).toBe(waitMs);
      clock.advance(waitMs);
    }
    queue.forget("a");
    expect(queue.attempts("a")).toBe(0);
  });

  it("Q4 ends waiting workers on shutdown, after what is in line", async () => {
    const { queue } = setUp();
    queue.add("a");
    queue.shutDown();
    queue.add("b");
    expect(await queue.next()).toBe("a");
    expect(await queue.next()).toBeUndefined();
  });
});
