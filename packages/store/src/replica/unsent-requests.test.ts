import { ManualClock } from "@lenj/base/testing";
import { UnsentRequests } from "./unsent-requests.js";

const none = new Uint8Array(0);

describe("UnsentRequests", () => {
  it("go in order once they can, and cost one try each time until then", () => {
    const clock = new ManualClock();
    const sent: number[] = [];
    let tries = 0;
    let hasLeader = false;
    const unsent = new UnsentRequests(clock, 50, (number) => {
      tries += 1;
      if (hasLeader) sent.push(number);
      return hasLeader;
    });
    for (let number = 0; number < 1_000; number += 1) unsent.send(number, none);
    tries = 0;
    clock.advance(500);
    expect(tries).toBe(10);
    hasLeader = true;
    clock.advance(50);
    expect(sent).toEqual(Array.from({ length: 1_000 }, (_, number) => number));
  });

  it("go at once when told that they may, and are tried later only if they could not", () => {
    const clock = new ManualClock();
    const sent: number[] = [];
    let tries = 0;
    let room = 0;
    const unsent = new UnsentRequests(clock, 50, (number) => {
      tries += 1;
      if (room === 0) return false;
      room -= 1;
      sent.push(number);
      return true;
    });
    for (let number = 0; number < 5; number += 1) unsent.send(number, none);
    room = 3;
    unsent.retry();
    expect(sent).toEqual([0, 1, 2]);
    room = 9;
    clock.advance(50);
    expect(sent).toEqual([0, 1, 2, 3, 4]);
    tries = 0;
    unsent.retry();
    clock.advance(500);
    expect(tries).toBe(0);
  });

  it("stop with their owner", () => {
    const clock = new ManualClock();
    let tries = 0;
    const unsent = new UnsentRequests(clock, 50, () => (tries++, false));
    unsent.send(1, none);
    unsent.close();
    clock.advance(500);
    expect(tries).toBe(1);
  });
});
