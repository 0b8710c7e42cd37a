// A leader whose disk stands still, and one that is stopped: others lead, and nobody reads what is old.
import { join } from "node:path";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { eventually, expectAllEverywhere, LoopDisk, leaderName, mebibytes, StoreCluster, Writer } from "./testing/index.js";

jest.setTimeout(180_000);

const diskBytes = mebibytes(64);
const callTimeoutMs = 2_000;

interface Seen {
  readonly atLeast: number;
  readonly revision: number;
}

/** The revision that a linearizable read at one member shows; undefined when it gave no answer. */
async function readAt(client: EtcdClient, writer: Writer): Promise<Seen | undefined> {
  const atLeast = writer.revision;
  try {
    const { header } = await client.range({ key: Buffer.from("w/1") });
    return { atLeast, revision: header?.revision ?? 0 };
  } catch {
    return undefined;
  }
}

const stale = (seen: readonly (Seen | undefined)[]): (Seen | undefined)[] =>
  seen.filter((one) => one !== undefined && one.revision < one.atLeast);

describe("a leader that stands still", () => {
  let cluster: StoreCluster;
  let leader: string;
  let disks: Map<string, LoopDisk>;
  let others: EtcdClient;
  let atLeader: EtcdClient;
  let writer: Writer;

  beforeEach(async () => {
    cluster = await StoreCluster.create({ members: 3, flags: ["--snapshot-count", "200"] });
    disks = new Map(cluster.addresses.map(({ name }) => [name, LoopDisk.create(join(cluster.folder, name), diskBytes)]));
    cluster.startAll();
    leader = await eventually(() => leaderName(cluster));
    const urlOf = (name: string): string => cluster.addresses.find((address) => address.name === name)?.clientURL ?? "";
    const names = cluster.addresses.map(({ name }) => name).filter((name) => name !== leader);
    others = createEtcdClient({ endpoints: names.map(urlOf), callTimeoutMs });
    atLeader = createEtcdClient({ endpoints: [urlOf(leader)], callTimeoutMs });
    writer = new Writer(others);
    await writer.until(20);
  });

  afterEach(async () => {
    for (const disk of disks.values()) disk.thaw();
    await Promise.all([others.close(), atLeader.close()]);
    for (const { name } of cluster.addresses) await cluster.signal(name, "SIGKILL");
    for (const disk of disks.values()) disk.close();
    await cluster.close();
  });

  const othersNames = (): string[] => cluster.addresses.map(({ name }) => name).filter((name) => name !== leader);
  const metric = async (name: string): Promise<string | undefined> => {
    const url = cluster.addresses.find((address) => address.name === leader)?.clientURL;
    return new RegExp(`^${name} (\\S+)$`, "m").exec(await (await fetch(`${url}/metrics`)).text())?.[1];
  };

  it("hands over and knows it when its disk is frozen; reads there are never old; it catches up after the thaw", async () => {
    disks.get(leader)?.freeze();
    const seen: (Seen | undefined)[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      while (!stop.signal.aborted) seen.push(await readAt(atLeader, writer));
    })();
    try {
      await writer.until(40);
      await eventually(() => leaderName(cluster, othersNames()));
      await writer.until(100);
      // It answers, while its disk does not.
      const status = await atLeader.status();
      expect(status.leader).not.toBe(status.header?.memberId);
      await expect(atLeader.put({ key: Buffer.from("refused"), value: Buffer.from("v") })).rejects.toThrow("etcdserver: no leader");
      expect(await metric("lenj_store_disk_stalled")).toBe("1");
      expect(await metric("lenj_store_disk_stalls_total")).toBe("1");
      expect(cluster.log(leader)).toContain("The disk is stalled");
    } finally {
      disks.get(leader)?.thaw();
      stop.abort();
      await reading;
    }
    expect(stale(seen)).toEqual([]);
    await eventually(async () => ((await metric("lenj_store_disk_stalled")) === "0" ? true : undefined));
    await expectAllEverywhere(cluster, writer);
    await eventually(() => atLeader.put({ key: Buffer.from("accepted"), value: Buffer.from("v") }));
  });

  it("reads nothing old when it goes on after having been stopped", async () => {
    await cluster.signal(leader, "SIGSTOP");
    let waiting: Promise<(Seen | undefined)[]>;
    try {
      await writer.until(40);
      await eventually(() => leaderName(cluster, othersNames()));
      await writer.until(60);
      // They lie in its sockets, and are the first that it finds when it goes on.
      waiting = Promise.all(Array.from({ length: 20 }, () => readAt(atLeader, writer)));
    } finally {
      await cluster.signal(leader, "SIGCONT");
    }
    const seen = await waiting;
    for (let number = 0; number < 20; number += 1) seen.push(await readAt(atLeader, writer));
    expect(stale(seen)).toEqual([]);
    expect(seen.filter((one) => one !== undefined).length).toBeGreaterThan(0);
    await expectAllEverywhere(cluster, writer);
  });
});
