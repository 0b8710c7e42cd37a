// Restoring to a point in time: a snapshot, then what a member archived after it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { eventually, type MemberAddress, StoreCluster } from "../testing/index.js";

const bytes = (text: string): Buffer => Buffer.from(text);
const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
const program = fileURLToPath(new URL("../main.js", import.meta.url));

jest.setTimeout(120_000);

function store(...args: string[]): { readonly code: number; readonly output: string } {
  const result = spawnSync(process.execPath, [program, ...args], { encoding: "utf8", timeout: 60_000 });
  return { code: result.status ?? -1, output: result.stdout + result.stderr };
}

/** Changes of every kind that the state machine knows. */
async function change(client: EtcdClient, round: number): Promise<void> {
  for (let number = 0; number < 40; number += 1) {
    await client.put({ key: bytes(`k/${number % 15}`), value: bytes(`${round}/${number}`), lease: number % 4 === 0 ? 9n : 0n });
    if (number % 7 === 0) await client.deleteRange({ key: bytes(`k/${number % 5}`) });
  }
  await client.txn({
    success: [{ request: { $case: "requestPut", value: { key: bytes("txn"), value: bytes(String(round)) } } }],
  });
}

describe("an archived store", () => {
  let folder: string;
  let cluster: StoreCluster;
  let client: EtcdClient;
  let archiveDir: string;
  let snapshot: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "lenj-pitr-"));
    archiveDir = join(folder, "archive");
    snapshot = join(folder, "snapshot.db");
    cluster = await StoreCluster.create({ members: 1, flags: ["--archive-dir", archiveDir, "--snapshot-count", "100"] });
    cluster.startAll();
    client = createEtcdClient({ endpoints: cluster.endpoints });
    await eventually(() => client.range(everything));
    await client.leaseGrant({ ID: 9n, TTL: 6_000 });
    await change(client, 0);
    expect(store("snapshot", "save", snapshot, "--endpoints", cluster.endpoints[0] ?? "").output).toContain("Snapshot saved");
  });

  afterEach(async () => {
    await client.close();
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const restore = (into: StoreCluster, ...flags: string[]): { readonly code: number; readonly output: string } => {
    const { name, peerURL } = into.addresses[0] as MemberAddress;
    const own = ["--name", name, "--data-dir", join(into.folder, name), "--initial-advertise-peer-urls", peerURL];
    return store("restore", snapshot, ...own, "--initial-cluster", `${name}=${peerURL}`, "--archive-dir", archiveDir, ...flags);
  };

  it("comes back at any revision, also of what was written before and after a kill", async () => {
    await change(client, 1);
    const middle = await client.range(everything);
    const revision = middle.header?.revision ?? 0;
    await cluster.signal("s1", "SIGKILL");
    cluster.start("s1");
    await eventually(() => client.put({ key: bytes("mishap"), value: bytes("x") }));
    await client.deleteRange(everything);
    await client.compact({ revision: revision + 1, physical: true });
    // What was acknowledged is archived soon after; a stop waits for it.
    await cluster.signal("s1", "SIGTERM");
    expect(restore(cluster, "--to-revision", String(revision)).output).toContain("not empty");

    for (const [flags, at, kvs] of [
      [["--to-revision", String(revision)], revision, middle.kvs],
      [["--to-revision", String(revision), "--bump-revision", "500", "--mark-compacted"], revision + 500, middle.kvs],
      [[], revision + 2, []],
    ] as const) {
      const restored = await StoreCluster.create({ members: 1 });
      const fresh = createEtcdClient({ endpoints: restored.endpoints });
      try {
        expect(restore(restored, ...flags)).toEqual({ code: 0, output: expect.stringContaining(`at revision ${at}\n`) as string });
        restored.startAll();
        const after = await eventually(() => fresh.range(everything));
        expect(after.kvs).toEqual(kvs);
        expect(after.header?.revision).toBe(at);
        expect((await fresh.leaseTimeToLive({ ID: 9n })).grantedTTL).toBe(6_000);
      } finally {
        await fresh.close();
        await restored.close();
      }
    }
  });

  it("says why it cannot", async () => {
    await change(client, 1);
    const { header } = await client.range(everything);
    const revision = header?.revision ?? 0;
    await cluster.signal("s1", "SIGTERM");
    const restored = await StoreCluster.create({ members: 1 });
    try {
      const refused = (...flags: string[]): string => {
        const { code, output } = restore(restored, ...flags);
        expect(code).toBe(1);
        expect(existsSync(join(restored.folder, "s1", "member"))).toBe(false);
        return output;
      };
      expect(refused("--to-revision", "3")).toMatch(/Cannot restore to revision 3: the snapshot is at \d+ already, use an older one/);
      expect(refused("--to-revision", "99999")).toContain(`Cannot restore to revision 99999: the archive ends at revision ${revision}`);
      const member = join(archiveDir, readdirSync(archiveDir)[0] ?? "");
      const [segment] = readdirSync(member);
      renameSync(join(member, segment ?? ""), join(member, "00000000000003ff.seg"));
      expect(refused()).toContain("00000000000003ff.seg begins with entry 1 by its header");
      rmSync(member, { recursive: true });
      expect(refused()).toContain("it holds no archive");
    } finally {
      await restored.close();
    }
  });
});
