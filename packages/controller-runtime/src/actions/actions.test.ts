import { ManualClock } from "@lenj/base/testing";
import { slowStartBatch } from "./batches.js";
import { Expectations } from "./expectations.js";

describe("slowStartBatch()", () => {
  it("doubles the batch while all succeed", async () => {
    const sizes: number[] = [];
    let running = 0;
    const result = await slowStartBatch(10, async () => {
      running += 1;
      await Promise.resolve();
      if (running > 0) sizes.push(running);
      running = 0;
    });
    expect(sizes).toEqual([1, 2, 4, 3]);
    expect(result).toMatchObject({ succeeded: 10, attempted: 10, error: undefined });
  });

  it("tries only one when the first fails", async () => {
    const error = new Error("quota");
    expect(await slowStartBatch(10, () => Promise.reject(error))).toEqual({ succeeded: 0, attempted: 1, error });
  });
});

describe("Expectations", () => {
  it("E1 are open until all creations were observed", () => {
    const expectations = new Expectations(new ManualClock());
    expectations.expectCreations("default/web", 2);
    expectations.onCreation("default/web");
    expect(expectations.isSatisfied("default/web")).toBe(false);
    expectations.onCreation("default/web");
    expect(expectations.isSatisfied("default/web")).toBe(true);
  });

  it("E2 expire after five minutes", () => {
    const clock = new ManualClock();
    const expectations = new Expectations(clock);
    expectations.expectDeletions("default/web", ["a"]);
    clock.advance(300_001);
    expect(expectations.isSatisfied("default/web")).toBe(true);
  });

  it("E3 count a deletion once however often it is seen", () => {
    const expectations = new Expectations(new ManualClock());
    expectations.expectDeletions("default/web", ["a", "b"]);
    expectations.onDeletion("default/web", "a");
    expectations.onDeletion("default/web", "a");
    expect(expectations.isSatisfied("default/web")).toBe(false);
  });
});
