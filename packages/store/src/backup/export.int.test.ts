// The way out: etcdctl saves a snapshot of a running cluster, Debian's etcd goes on from it.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "@lenj/base";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { EtcdProcess, eventually, StoreCluster } from "../testing/index.js";

const bytes = (text: string): Buffer => Buffer.from(text);
const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };

jest.setTimeout(120_000);

function etcdctl(...args: string[]): string {
  const result = spawnSync("etcdctl", args, { env: { ...process.env, ETCDCTL_API: "3" }, encoding: "utf8", timeout: 60_000 });
  if (result.status !== 0) throw new Error(`etcdctl ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

/** The same requests to whoever is asked: puts, deletions, leases, and compactions now and then. */
async function makeHistory(client: EtcdClient, seed: number, requests: number): Promise<void> {
  const random = new SeededRandom(seed);
  for (let number = 1; number <= 3; number += 1) await client.leaseGrant({ ID: BigInt(number), TTL: 6_000 });
  for (let number = 0; number < requests; number += 1) {
    const key = bytes(`k/${random.below(40)}`);
    const kind = random.below(20);
    if (kind < 14) await client.put({ key, value: Buffer.alloc(random.below(3_000), number), lease: BigInt(random.below(4)) });
    else if (kind < 18) await client.deleteRange({ key });
    else if (kind === 18) await client.deleteRange({ key: bytes("k/3"), rangeEnd: bytes("k/4") });
    else await client.deleteRange({ key: bytes("nothing") });
    if (number % 150 === 149) {
      const { header } = await client.range({ key });
      await client.compact({ revision: (header?.revision ?? 0) - random.below(60), physical: true });
    }
  }
}

function hashAt(endpoint: string, revision: number): { readonly hash: number; readonly compact_revision: number } {
  const text = etcdctl("--endpoints", new URL(endpoint).host, "endpoint", "hashkv", "--rev", String(revision), "-w", "json");
  const [{ HashKV }] = JSON.parse(text) as [{ HashKV: { hash: number; compact_revision: number } }];
  return { hash: HashKV.hash, compact_revision: HashKV.compact_revision };
}

const leasesAt = (endpoint: string): string => etcdctl("--endpoints", new URL(endpoint).host, "lease", "list");

describe("a store that etcd takes over from", () => {
  let folder: string;
  let cluster: StoreCluster;
  let client: EtcdClient;
  let endpoint: string;
  const started: EtcdProcess[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "lenj-export-"));
    cluster = await StoreCluster.create({ members: 1 });
    cluster.startAll();
    endpoint = cluster.endpoints[0] as string;
    client = createEtcdClient({ endpoints: cluster.endpoints });
    await eventually(() => client.range({ key: bytes("x") }));
  });

  afterEach(async () => {
    await client.close();
    for (const etcd of started.splice(0)) await etcd.close();
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function startEtcd(name: string): Promise<{ readonly client: EtcdClient; readonly url: string }> {
    mkdirSync(join(folder, name), { recursive: true });
    const etcd = await EtcdProcess.start(join(folder, name));
    started.push(etcd);
    const other = createEtcdClient({ endpoints: [etcd.clientURL] });
    await eventually(() => other.range({ key: bytes("x") }));
    return { client: other, url: etcd.clientURL };
  }

  it("gives etcd's own hash for the same history, compactions included", async () => {
    const etcd = await startEtcd("etcd");
    await makeHistory(client, 11, 400);
    await makeHistory(etcd.client, 11, 400);
    const { header } = await client.range(everything);
    const newest = header?.revision ?? 0;
    for (const revision of [0, newest, newest - 1, newest - 20]) {
      expect(hashAt(endpoint, revision)).toEqual(hashAt(etcd.url, revision));
    }
    await etcd.client.close();
  });

  it("hands over keys, versions, revisions and leases while it is being written to", async () => {
    await makeHistory(client, 5, 500);
    const before = await client.range(everything);
    let isWriting = true;
    let written = 0;
    const writing = (async () => {
      for (; isWriting; written += 1) await client.put({ key: bytes(`later/${written}`), value: bytes("x") });
    })();
    await eventually(() => Promise.resolve(written > 10 ? true : undefined));
    const file = join(folder, "snapshot.db");
    expect(etcdctl("--endpoints", new URL(endpoint).host, "snapshot", "save", file)).toContain(`Snapshot saved at ${file}`);
    isWriting = false;
    await writing;
    const status = JSON.parse(etcdctl("snapshot", "status", file, "-w", "json")) as { revision: number; totalKey: number };
    mkdirSync(join(folder, "taken"));
    const data = join(folder, "taken", "data");
    const cluster = ["--initial-cluster", `etcd=${EtcdProcess.peerURL}`, "--initial-advertise-peer-urls", EtcdProcess.peerURL];
    etcdctl("snapshot", "restore", file, "--name", "etcd", "--data-dir", data, ...cluster);
    const etcd = await startEtcd("taken");
    const after = await etcd.client.range(everything);
    expect(after.header?.revision).toBe(status.revision);
    expect(after.kvs.filter(({ key }) => !key.toString().startsWith("later/"))).toEqual(before.kvs);
    expect(after.kvs).toEqual((await client.range({ ...everything, revision: status.revision })).kvs);
    expect(hashAt(etcd.url, 0)).toEqual(hashAt(endpoint, status.revision));
    // Leases that end at the same time come in any order.
    const inOrder = (text: string): string[] => text.split("\n").sort();
    expect(inOrder(leasesAt(etcd.url))).toEqual(inOrder(leasesAt(endpoint)));
    const keysOf = async (one: EtcdClient): Promise<unknown> => {
      const { keys, grantedTTL } = await one.leaseTimeToLive({ ID: 2n, keys: true });
      return { grantedTTL, keys: keys.map(String).sort() };
    };
    expect(await keysOf(etcd.client)).toEqual(await keysOf(client));
    // The restored etcd goes on: writes, compacts, and saves snapshots of its own.
    const put = await etcd.client.put({ key: bytes("k/1"), value: bytes("after") });
    expect(put.header?.revision).toBe(status.revision + 1);
    await etcd.client.compact({ revision: status.revision, physical: true });
    etcdctl("--endpoints", new URL(etcd.url).host, "snapshot", "save", `${file}.2`);
    expect(etcdctl("snapshot", "status", `${file}.2`, "-w", "json")).toContain(`"revision":${status.revision + 1}`);
    await etcd.client.close();
  });
});
