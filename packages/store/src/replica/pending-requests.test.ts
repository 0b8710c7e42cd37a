import { PendingRequests } from "./pending-requests.js";

describe("PendingRequests", () => {
  const ended: string[] = [];
  const request = (name: string, arrivedMs: number): Parameters<PendingRequests["add"]>[0] => ({
    ...{ command: {}, arrivedMs, proposedMs: 0, isForwarded: false, sizeBytes: 0 },
    resolve: () => void ended.push(`${name} answered`),
    reject: (error) => void ended.push(`${name} ${String(error)}`),
  });

  beforeEach(() => {
    ended.length = 0;
  });

  it("ends those that have waited too long, the oldest first, and no others", () => {
    const pending = new PendingRequests(2 ** 48 - 2);
    const numbers = [10, 20, 30, 40].map((arrivedMs) => pending.add(request(String(arrivedMs), arrivedMs)));
    expect(numbers).toEqual([2 ** 48 - 2, 2 ** 48 - 1, 0, 1]);
    pending.take(2 ** 48 - 1);
    expect(pending.takeOlder(30).map(({ arrivedMs }) => arrivedMs)).toEqual([10]);
    expect(pending.size).toBe(2);
    pending.failAll("gone");
    expect([ended, pending.size]).toEqual([["30 gone", "40 gone"], 0]);
  });

  it("takes no more than fits, and has room again for what was answered, given up or ended", () => {
    const pending = new PendingRequests(1);
    const [first, second, third] = [1, 2, 3].map((arrivedMs) => pending.add(request("r", arrivedMs))) as [number, number, number];
    expect(pending.weigh(first, 60, 100)).toBe(true);
    expect(pending.weigh(second, 41, 100)).toBe(false);
    expect(pending.weigh(second, 40, 100)).toBe(true);
    expect(pending.weigh(third, 1, 100)).toBe(false);
    pending.take(second);
    expect(pending.weigh(third, 40, 100)).toBe(true);
    pending.takeOlder(2);
    const fourth = pending.add(request("r", 4));
    expect(pending.weigh(fourth, 61, 100)).toBe(false);
    pending.failAll("gone");
    expect(pending.weigh(pending.add(request("r", 5)), 100, 100)).toBe(true);
  });
});
