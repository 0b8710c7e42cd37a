// A member that is far behind, tens of megabytes to send, and a transfer that breaks in the middle.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { eventually, freePort, type MemberAddress, StoreCluster } from "@lenj/store/testing";
import { Relay } from "./relay.js";

jest.setTimeout(240_000);

const valueBytes = 64 * 1024;
const values = 800;
const stateBytes = values * valueBytes;

describe("a snapshot to a member that is far behind", () => {
  let cluster: StoreCluster;
  let relay: Relay;
  let client: EtcdClient;
  let away: MemberAddress;
  let others: readonly MemberAddress[];

  beforeEach(async () => {
    cluster = await StoreCluster.create({ members: 3, flags: ["--snapshot-count", "100"] }, mkdtempSync(join(tmpdir(), "lenj-snapshot-")));
    const [first, second, third] = cluster.addresses as [MemberAddress, MemberAddress, MemberAddress];
    [away, others] = [third, [first, second]];
    relay = await Relay.start(Number(new URL(away.peerURL).port), await freePort());
    for (const { name } of others) cluster.start(name);
    client = createEtcdClient({ endpoints: others.map(({ clientURL }) => clientURL) });
    await eventually(() => client.put({ key: Buffer.from("warm"), value: Buffer.from("up") }));
    for (let number = 0; number < values; number += 8) {
      const some = Array.from({ length: 8 }, (_unused, offset) =>
        client.put({ key: keyOf(number + offset), value: valueOf(number + offset) }),
      );
      await Promise.all(some);
    }
    // Past the 5,000 entries that are kept behind a truncation.
    for (let round = 0; round < 56; round += 1) {
      await Promise.all(Array.from({ length: 100 }, () => client.put({ key: Buffer.from("small"), value: Buffer.from(String(round)) })));
    }
  });

  afterEach(async () => {
    await client.close();
    await cluster.close();
    await relay.close();
  });

  const keyOf = (number: number): Buffer => Buffer.from(`big/${String(number).padStart(6, "0")}`);
  /** What no compression makes smaller, and no two keys share. */
  const valueOf = (number: number): Buffer => {
    const value = Buffer.alloc(valueBytes);
    let state = number + 1;
    for (let at = 0; at < valueBytes; at += 4) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      value.writeUInt32LE(state, at);
    }
    return value;
  };

  const startAway = (): void => cluster.start(away.name, { listenPeerURL: `http://127.0.0.1:${relay.targetPort}` });

  /** Of all label values; undefined while the member does not answer. */
  async function metricOf({ clientURL }: MemberAddress, name: string): Promise<number> {
    const shown = await (await fetch(`${clientURL}/metrics`)).text();
    return [...shown.matchAll(new RegExp(`^${name}\\{[^}]*\\} ([0-9.e+]+)$`, "gm"))].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  async function sumOf(members: readonly MemberAddress[], name: string): Promise<number> {
    const all = await Promise.all(members.map((member) => metricOf(member, name)));
    return all.reduce((sum, value) => sum + value, 0);
  }

  const somethingArrived = (): Promise<true> =>
    polled(async () => {
      const bytes = await metricOf(away, "lenj_store_snapshot_receive_bytes_total").catch(() => 0);
      return bytes > 1024 * 1024 ? true : undefined;
    });

  async function expectResumed(): Promise<void> {
    await eventually(() => Promise.resolve(cluster.log(away.name).includes("Replaced state") ? true : undefined), 60_000);
    const sent = await sumOf(others, "lenj_store_snapshot_send_bytes_total");
    const resumed = await sumOf(others, "lenj_store_snapshot_send_resumed_total");
    expect(resumed).toBeGreaterThan(0);
    expect(sent).toBeGreaterThan(stateBytes);
    expect(sent).toBeLessThan(2 * stateBytes);
    const from = [...cluster.log(away.name).matchAll(/Resuming snapshot.*?"?fromByte"?[:=]\s*"?(\d+)/g)].map(([, byte]) => Number(byte));
    expect(from.at(-1)).toBeGreaterThan(0);
    expect(await sumOf(others, "etcd_network_snapshot_send_success")).toBe(1);
    expect(await sumOf(others, "etcd_network_snapshot_send_failures")).toBeGreaterThan(0);
    expect(await sumOf(others, "etcd_network_snapshot_send_inflights_total")).toBe(0);
    await eventually(() => {
      const hashes = cluster.endpoints.map(
        (endpoint) => /"Hash" : (\d+)/.exec(cluster.etcdctl(["endpoint", "hashkv", "-w", "fields"], { endpoints: [endpoint] }).stdout)?.[1],
      );
      return Promise.resolve(hashes[0] !== undefined && hashes.every((hash) => hash === hashes[0]) ? true : undefined);
    });
  }

  it("goes on where the link was cut", async () => {
    startAway();
    await somethingArrived();
    relay.set("cut");
    await eventually(async () => ((await sumOf(others, "etcd_network_snapshot_send_failures")) > 0 ? true : undefined));
    relay.set(undefined);
    await expectResumed();
  });

  it("goes on from what was on the receiver's disk when it was killed", async () => {
    startAway();
    await somethingArrived();
    await cluster.signal(away.name, "SIGKILL");
    await eventually(async () => ((await sumOf(others, "etcd_network_snapshot_send_failures")) > 0 ? true : undefined));
    startAway();
    await expectResumed();
  });

  it("starts over, and says so, when the leader was killed", async () => {
    startAway();
    await somethingArrived();
    const leader = await eventually(async () => {
      const bytes = await Promise.all(others.map((member) => metricOf(member, "lenj_store_snapshot_send_bytes_total")));
      return others[bytes.findIndex((sent) => sent > 0)];
    });
    relay.set("cut");
    await cluster.signal(leader.name, "SIGKILL");
    relay.set(undefined);
    cluster.start(leader.name);
    await eventually(() => Promise.resolve(cluster.log(away.name).includes("Replaced state") ? true : undefined), 60_000);
    expect(cluster.log(away.name)).toContain("Snapshot starts over: another state is sent now");
  });
});

/** As `eventually`, without a pause between two looks: what is waited for does not last. */
async function polled<T>(check: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = Date.now() + 60_000;
  while (Date.now() < deadlineMs) {
    const value = await check();
    if (value !== undefined) return value;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("the condition never held");
}
