import { SeededRandom, silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { resources } from "@lenj/client";
import { FakeApiClient, settle } from "@lenj/client/testing";
import type { coordinationv1 } from "@lenj/proto/k8s";
import { LeaderElector } from "./leader-elector.js";

const key = { namespace: "kube-system", name: "kube-controller-manager" };

function candidate(client: FakeApiClient, clock: ManualClock, identity: string): LeaderElector {
  const config = { ...key, identity, leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
  return new LeaderElector({ config, client, clock, random: new SeededRandom(7), logger: silentLogger });
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 500) {
    clock.advance(500);
    await settle(4);
  }
}

async function setUp() {
  const clock = new ManualClock();
  const client = new FakeApiClient({ clock });
  const first = candidate(client, clock, "first");
  const second = candidate(client, clock, "second");
  await first.acquire(new AbortController().signal);
  let isSecondLeading = false;
  const stop = new AbortController();
  const waiting = second.acquire(stop.signal).then(
    () => (isSecondLeading = true),
    () => false,
  );
  const lease = (): coordinationv1.Lease | undefined => client.objects<coordinationv1.Lease>(resources.leases)[0];
  return { clock, client, first, second, waiting, stop, lease, isSecondLeading: () => isSecondLeading };
}

describe("LeaderElector", () => {
  it("LE1 keeps others out while the leader renews", async () => {
    const { clock, first, stop, waiting, isSecondLeading, lease } = await setUp();
    const release = new AbortController();
    const holding = first.hold(release.signal);
    await pass(clock, 60_000);
    expect(isSecondLeading()).toBe(false);
    expect(lease()?.spec).toMatchObject({
      holderIdentity: "first",
      leaseDurationSeconds: 15,
      leaseTransitions: 0,
      acquireTime: "2026-01-01T00:00:00.000000Z",
    });
    release.abort();
    stop.abort();
    await Promise.all([holding, waiting]);
  });

  it("LE1 lets another take over a lease that was not renewed for its duration", async () => {
    const { clock, isSecondLeading, lease } = await setUp();
    await pass(clock, 14_000);
    expect(isSecondLeading()).toBe(false);
    await pass(clock, 8_000);
    expect(isSecondLeading()).toBe(true);
    expect(lease()?.spec).toMatchObject({ holderIdentity: "second", leaseTransitions: 1 });
  });

  it("LE2 stops leading after the renew deadline without an answer, before the lease can be taken", async () => {
    const { clock, client, first, stop } = await setUp();
    stop.abort();
    let lostAtMs = 0;
    client.onCall = () => {
      throw new Error("no route");
    };
    void first.hold(new AbortController().signal).then(() => (lostAtMs = clock.monotonicMs()));
    await pass(clock, 20_000);
    expect(lostAtMs).toBeGreaterThanOrEqual(10_000);
    expect(lostAtMs).toBeLessThan(15_000);
  });

  it("LE4 releases the lease when it stops in order", async () => {
    const { clock, first, isSecondLeading, lease } = await setUp();
    const release = new AbortController();
    const holding = first.hold(release.signal);
    await pass(clock, 4_000);
    release.abort();
    await holding;
    expect(lease()?.spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
    await pass(clock, 5_000);
    expect(isSecondLeading()).toBe(true);
  });
});
