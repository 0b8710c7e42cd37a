import { Backoff, formatDelay } from "./backoff.js";

describe("Backoff", () => {
  it("never delays the first event, then doubles from 10 s to 5 min", () => {
    const backoff = new Backoff();
    expect(backoff.blockedUntilMs("c", 0, 0)).toBeUndefined();
    const delays: number[] = [];
    for (let now = 0, restart = 0; restart < 8; restart += 1) {
      backoff.next("c", now, now);
      delays.push(backoff.delayMs("c") / 1000);
      now += backoff.delayMs("c");
    }
    expect(delays).toEqual([10, 20, 40, 80, 160, 300, 300, 300]);
  });

  it("counts the wait from the exit, not from the decision", () => {
    const backoff = new Backoff();
    backoff.next("c", 0, 0);
    expect(backoff.blockedUntilMs("c", 5_000, 14_999)).toBe(15_000);
    expect(backoff.blockedUntilMs("c", 5_000, 15_000)).toBeUndefined();
  });

  it("starts again after twice the maximum of quiet, and forgets then", () => {
    const backoff = new Backoff();
    backoff.next("c", 0, 0);
    backoff.next("c", 10_000, 10_000);
    expect(backoff.blockedUntilMs("c", 610_000, 610_000)).toBe(630_000);
    expect(backoff.blockedUntilMs("c", 610_001, 610_001)).toBeUndefined();
    backoff.next("c", 610_001, 610_001);
    expect(backoff.delayMs("c")).toBe(10_000);
    backoff.collect(1_300_000);
    expect(backoff.delayMs("c")).toBe(0);
  });

  it("keeps keys apart, and forgets one that is reset", () => {
    const backoff = new Backoff();
    backoff.next("a", 0, 0);
    expect(backoff.delayMs("b")).toBe(0);
    backoff.reset("a");
    expect(backoff.blockedUntilMs("a", 0, 1)).toBeUndefined();
  });

  it.each([
    [10_000, "10s"],
    [80_000, "1m20s"],
    [300_000, "5m0s"],
  ])("prints %i ms as Go does", (delay, text) => expect(formatDelay(delay)).toBe(text));
});
