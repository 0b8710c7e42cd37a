import { silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { LeaseTable } from "@lenj/mvcc";
import { MemoryBackend } from "@lenj/mvcc/testing";
import type { Command } from "../core/command.js";
import type { Replica } from "../replica/replica.js";
import { LeaseKeeper } from "./lease-keeper.js";

/** A leader alone, whose proposals wait until they are let through. */
class SlowLeader {
  readonly isLeader = true;
  readonly state = { leases: new LeaseTable(new MemoryBackend()), auth: { isEnabled: false } };
  readonly waiting: { readonly command: Command; readonly apply: () => void }[] = [];

  linearizable(): Promise<void> {
    return Promise.resolve();
  }

  propose(command: Command): Promise<void> {
    return new Promise((resolve) => {
      const apply = (): void => {
        for (const { ID, remainingTTL } of command.leaseCheckpoint?.checkpoints ?? []) this.state.leases.checkpoint(ID, remainingTTL);
        resolve();
      };
      this.waiting.push({ command, apply });
    });
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("LeaseKeeper", () => {
  it("does not let what was written down before a renewal outlive it, also when that is still on its way", async () => {
    const clock = new ManualClock();
    const leader = new SlowLeader();
    const { leases } = leader.state;
    leases.promote(clock.monotonicMs(), 0);
    leases.grant(1n, 7, clock.monotonicMs());
    const forwarder = { renewAt: () => Promise.reject(new Error("none")), timesAt: () => Promise.reject(new Error("none")) };
    const keeper = new LeaseKeeper(leader as unknown as Replica, forwarder, clock, silentLogger, 2);
    keeper.start();
    clock.advance(2_000);
    expect(leader.waiting.map(({ command }) => command.leaseCheckpoint?.checkpoints[0]?.remainingTTL)).toEqual([5]);
    const renewed = keeper.renew(1n);
    await settled();
    while (leader.waiting.length > 0) {
      leader.waiting.shift()?.apply();
      await settled();
    }
    expect(await renewed).toBe(7);
    expect(leases.get(1n)?.remainingSeconds).toBe(0);
    keeper.close();
  });
});
