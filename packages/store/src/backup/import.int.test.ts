// The way in: snapshots of Debian's etcd and of our own clusters, restored to clusters of several sizes.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { EtcdProcess, eventually, StoreCluster } from "../testing/index.js";

const bytes = (text: string): Buffer => Buffer.from(text);
const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
const program = fileURLToPath(new URL("../main.js", import.meta.url));

jest.setTimeout(120_000);

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, ...args: string[]): Outcome {
  const result = spawnSync(command, args, { env: { ...process.env, ETCDCTL_API: "3" }, encoding: "utf8", timeout: 60_000 });
  return { code: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
}

const store = (...args: string[]): Outcome => run(process.execPath, program, ...args);
const etcdctl = (...args: string[]): Outcome => run("etcdctl", ...args);

function succeed(outcome: Outcome): string {
  if (outcome.code !== 0) throw new Error(outcome.stderr);
  return outcome.stdout;
}

/** Restores every member of a cluster that was created but never started. */
function restoreAll(cluster: StoreCluster, file: string, ...flags: string[]): void {
  const initial = cluster.addresses.map(({ name, peerURL }) => `${name}=${peerURL}`).join(",");
  for (const { name, peerURL } of cluster.addresses) {
    const own = ["--name", name, "--data-dir", join(cluster.folder, name), "--initial-advertise-peer-urls", peerURL];
    succeed(store("restore", file, ...own, "--initial-cluster", initial, ...flags));
  }
}

async function fill(client: EtcdClient): Promise<void> {
  await client.leaseGrant({ ID: 77n, TTL: 6_000 });
  for (let number = 0; number < 120; number += 1) {
    await client.put({ key: bytes(`k/${number % 50}`), value: Buffer.alloc(number * 50, number), lease: number % 3 === 0 ? 77n : 0n });
    if (number % 10 === 0) await client.deleteRange({ key: bytes(`k/${(number + 7) % 50}`) });
    if (number === 60) await client.compact({ revision: 40, physical: true });
  }
}

const hashAt = (url: string, revision: number): string | undefined =>
  /"Hash" : (\d+)/.exec(
    succeed(etcdctl("--endpoints", new URL(url).host, "endpoint", "hashkv", "--rev", String(revision), "-w", "fields")),
  )?.[1];

describe("restoring", () => {
  let folder: string;
  const closing: (() => Promise<void>)[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lenj-import-"));
  });

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    rmSync(folder, { recursive: true, force: true });
  });

  function clientOf(endpoints: readonly string[]): EtcdClient {
    const client = createEtcdClient({ endpoints });
    closing.push(() => client.close());
    return client;
  }

  async function createCluster(members: number): Promise<StoreCluster> {
    const cluster = await StoreCluster.create({ members });
    closing.push(() => cluster.close());
    return cluster;
  }

  async function startEtcd(): Promise<EtcdProcess> {
    mkdirSync(join(folder, "etcd"), { recursive: true });
    const etcd = await EtcdProcess.start(join(folder, "etcd"));
    closing.push(() => etcd.close());
    return etcd;
  }

  it("takes a snapshot of etcd over into three members, and etcd takes it back", async () => {
    const etcd = await startEtcd();
    const theirs = clientOf([etcd.clientURL]);
    await eventually(() => theirs.range({ key: bytes("x") }));
    await fill(theirs);
    const file = join(folder, "etcd.db");
    succeed(etcdctl("--endpoints", new URL(etcd.clientURL).host, "snapshot", "save", file));
    for (const form of ["simple", "table", "json"])
      expect(store("snapshot", "status", file, "-w", form)).toEqual({ ...etcdctl("snapshot", "status", file, "-w", form), stderr: "" });

    const cluster = await createCluster(3);
    restoreAll(cluster, file);
    cluster.startAll();
    const ours = clientOf(cluster.endpoints);
    const [before, after] = [await theirs.range(everything), await eventually(() => ours.range(everything))];
    expect(after.kvs).toEqual(before.kvs);
    expect(after.header?.revision).toBe(before.header?.revision);
    const revision = before.header?.revision ?? 0;
    for (const url of cluster.endpoints)
      await eventually(() => Promise.resolve(hashAt(url, revision) === hashAt(etcd.clientURL, revision) ? true : undefined));
    const leaseOf = async (client: EtcdClient): Promise<unknown> => {
      const { grantedTTL, keys } = await client.leaseTimeToLive({ ID: 77n, keys: true });
      return { grantedTTL, keys: keys.map(String).sort() };
    };
    expect(await leaseOf(ours)).toEqual(await leaseOf(theirs));
    expect((await ours.memberList()).members.map(({ name }) => name).sort()).toEqual(["s1", "s2", "s3"]);
    // It is a cluster: it writes on with a member down, and takes that one back.
    await cluster.signal("s2", "SIGKILL");
    const put = await eventually(() => ours.put({ key: bytes("after"), value: bytes("1") }));
    expect(put.header?.revision).toBe(revision + 1);
    cluster.start("s2");
    const s2 = clientOf([cluster.addresses[1]?.clientURL ?? ""]);
    expect((await eventually(() => s2.range({ key: bytes("after") }))).kvs[0]?.value.toString()).toBe("1");

    const back = join(folder, "back.db");
    const saved = succeed(store("snapshot", "save", back, "--endpoints", cluster.endpoints[0] ?? ""));
    expect(saved).toContain(`Snapshot saved at ${back}`);
    const urls = ["--initial-cluster", `etcd=${EtcdProcess.peerURL}`, "--initial-advertise-peer-urls", EtcdProcess.peerURL];
    succeed(etcdctl("snapshot", "restore", back, "--name", "etcd", "--data-dir", join(folder, "back"), ...urls));
  });

  it("of our own snapshot moves the revision on and compacts, so that old watches end and read anew", async () => {
    const old = await createCluster(1);
    old.startAll();
    const before = clientOf(old.endpoints);
    await eventually(() => before.range({ key: bytes("x") }));
    await fill(before);
    const file = join(folder, "ours.db");
    succeed(store("snapshot", "save", file, "--endpoints", old.endpoints[0] ?? ""));
    const contents = await before.range(everything);
    const revision = contents.header?.revision ?? 0;
    // Written after the snapshot: clients have seen it, the restored cluster has not.
    await before.put({ key: bytes("lost"), value: bytes("x") });

    const cluster = await createCluster(1);
    restoreAll(cluster, file, "--bump-revision", "1000", "--mark-compacted");
    cluster.startAll();
    const client = clientOf(cluster.endpoints);
    const restored = await eventually(() => client.range(everything));
    expect(restored.kvs).toEqual(contents.kvs);
    expect(restored.header?.revision).toBe(revision + 1_000);
    const watch = async (): Promise<void> => {
      for await (const _ of client.watch({ key: bytes("k"), startRevision: revision + 2 })) void _;
    };
    await expect(watch()).rejects.toThrow("required revision has been compacted");
    await expect(client.range({ key: bytes("k/1"), revision })).rejects.toThrow("required revision has been compacted");
    const put = await client.put({ key: bytes("new"), value: bytes("x") });
    expect(put.header?.revision).toBe(revision + 1_001);
    // Its own snapshot carries the revision over, to etcd as well.
    const next = join(folder, "next.db");
    await cluster.signal("s1", "SIGTERM");
    cluster.start("s1");
    await eventually(() => client.range(everything));
    succeed(etcdctl("--endpoints", new URL(cluster.endpoints[0] ?? "").host, "snapshot", "save", next));
    expect(succeed(etcdctl("snapshot", "status", next, "-w", "json"))).toContain(`"revision":${revision + 1_001}`);
  });

  it("carries users, roles and passwords over, from etcd and back to it", async () => {
    const etcd = await startEtcd();
    await eventually(() => clientOf([etcd.clientURL]).put({ key: bytes("open"), value: bytes("1") }));
    const at = ["--endpoints", new URL(etcd.clientURL).host];
    for (const command of [
      ...["user add root:secret", "user grant-role root root", "user add bob:pass", "role add reader"],
      ...["role grant-permission reader read open", "user grant-role bob reader", "auth enable"],
    ])
      succeed(etcdctl(...at, ...command.split(" ")));
    const expectAccess = (url: string): void => {
      const as = (user: string, ...args: string[]): Outcome => etcdctl("--endpoints", new URL(url).host, "--user", user, ...args);
      expect(succeed(as("bob:pass", "get", "open"))).toBe("open\n1\n");
      expect(as("bob:pass", "put", "open", "2").stderr).toContain("permission denied");
      expect(as("bob:wrong", "get", "open").stderr).toContain("authentication failed, invalid user ID or password");
      expect(succeed(as("root:secret", "role", "get", "reader"))).toContain("open");
    };
    expectAccess(etcd.clientURL);
    const file = join(folder, "etcd.db");
    succeed(store("snapshot", "save", file, "--endpoints", etcd.clientURL, "--user", "root:secret"));

    const cluster = await createCluster(1);
    restoreAll(cluster, file);
    cluster.startAll();
    const [url = ""] = cluster.endpoints;
    await eventually(() =>
      Promise.resolve(etcdctl("--endpoints", new URL(url).host, "--user", "bob:pass", "get", "open").code === 0 || undefined),
    );
    expectAccess(url);
    const back = join(folder, "back.db");
    expect(store("snapshot", "save", back, "--endpoints", url).stderr).toMatch(/user name is empty|permission denied/);
    expect(existsSync(`${back}.part`)).toBe(false);
    succeed(store("snapshot", "save", back, "--endpoints", url, "--user", "root:secret"));
    await etcd.close();
    rmSync(etcd.dataDir, { recursive: true });
    const urls = ["--initial-cluster", `etcd=${EtcdProcess.peerURL}`, "--initial-advertise-peer-urls", EtcdProcess.peerURL];
    succeed(etcdctl("snapshot", "restore", back, "--name", "etcd", "--data-dir", etcd.dataDir, ...urls));
    const again = await startEtcd();
    await eventually(() =>
      Promise.resolve(etcdctl("--endpoints", new URL(again.clientURL).host, "--user", "bob:pass", "get", "open").code === 0 || undefined),
    );
    expectAccess(again.clientURL);
  });

  it("refuses what does not fit, in etcd's words, and leaves nothing behind", async () => {
    const cluster = await createCluster(1);
    cluster.startAll();
    const client = clientOf(cluster.endpoints);
    await eventually(() => client.put({ key: bytes("a"), value: bytes("b") }));
    const file = join(folder, "good.db");
    succeed(store("snapshot", "save", file, "--endpoints", cluster.endpoints[0] ?? ""));
    const into = join(folder, "into");
    const refused = (path: string, ...flags: string[]): string => {
      const outcome = store("restore", path, "--data-dir", into, ...flags);
      expect(outcome.code).toBe(1);
      expect(existsSync(join(into, "member"))).toBe(false);
      return outcome.stderr;
    };
    const good = readFileSync(file);
    const damagedFile = join(folder, "damaged.db");
    const damaged = Buffer.from(good);
    damaged[5_000] = (damaged[5_000] ?? 0) ^ 1;
    writeFileSync(damagedFile, damaged);
    expect(refused(damagedFile)).toMatch(/^Error: expected sha256 \[\d+( \d+){31}\], got \[\d+( \d+){31}\]\n$/);
    const bare = join(folder, "bare.db");
    writeFileSync(bare, good.subarray(0, -32));
    expect(refused(bare)).toBe("Error: snapshot missing hash but --skip-hash-check=false\n");
    expect(refused(file, "--name", "x", "--initial-cluster", "y=http://127.0.0.1:1")).toBe(
      `Error: couldn't find local name "x" in the initial cluster configuration\n`,
    );
    expect(refused(file, "--initial-cluster", "default=http://127.0.0.1:1")).toBe(
      "Error: --initial-cluster has default=http://127.0.0.1:1 but missing from --initial-advertise-peer-urls=http://localhost:2380\n",
    );
    expect(refused(file, "--bump-revision", "5")).toContain("--mark-compacted required if --revision-bump > 0");
    writeFileSync(damagedFile, Buffer.alloc(10_000));
    expect(refused(damagedFile, "--skip-hash-check")).toBe("Error: Cannot open database: invalid database\n");
    expect(refused(join(folder, "nothing.db"))).toContain("ENOENT");
    // Without hash is good enough when told so; and then the folder is taken.
    succeed(store("restore", bare, "--skip-hash-check", "--data-dir", into));
    expect(store("restore", file, "--data-dir", into).stderr).toBe(`Error: data-dir "${into}" not empty or could not be read\n`);
    // A freelist that names a page in use.
    copyFileSync(file, damagedFile);
    const listed = readFileSync(damagedFile);
    listed.writeUInt16LE(1, 2 * 4_096 + 10);
    listed.writeBigUInt64LE(3n, 2 * 4_096 + 16);
    writeFileSync(damagedFile, listed);
    expect(store("snapshot", "status", damagedFile).stderr).toBe(
      "Error: snapshot file integrity check failed. 1 errors found.\npage 3: reachable freed\n",
    );
  });
});
