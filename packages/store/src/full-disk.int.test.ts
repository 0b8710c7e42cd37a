// Disks that are full: a member without room ends and says why, nothing acknowledged is lost, and room is all that it needs to come back.
import { join } from "node:path";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { eventually, expectAllEverywhere, LoopDisk, mebibytes, StoreCluster, Writer } from "./testing/index.js";

jest.setTimeout(180_000);

const diskBytes = mebibytes(96);
const valueBytes = 32 * 1024;
/** Many times what fits. */
const writesMax = 3_000;
/** Less than what the tests write. */
const roomBytes = mebibytes(3);

describe("a full disk", () => {
  let cluster: StoreCluster;
  let disks: Map<string, LoopDisk>;
  let client: EtcdClient;
  let writer: Writer;

  beforeEach(async () => {
    cluster = await StoreCluster.create({ members: 3 });
    disks = new Map(cluster.addresses.map(({ name }) => [name, LoopDisk.create(join(cluster.folder, name), diskBytes)]));
    cluster.startAll();
    client = createEtcdClient({ endpoints: cluster.endpoints, callTimeoutMs: 2_000 });
    writer = new Writer(client, valueBytes);
    await writer.until(10);
  });

  afterEach(async () => {
    await client.close();
    for (const { name } of cluster.addresses) await cluster.signal(name, "SIGKILL");
    for (const disk of disks.values()) disk.close();
    await cluster.close();
  });

  const names = (): string[] => cluster.addresses.map(({ name }) => name);

  /** Writes until `count` of these members have ended by themselves; returns their exit codes. */
  async function writeUntilEnded(members: readonly string[], count: number): Promise<(number | null)[]> {
    const codes: (number | null)[] = [];
    for (const name of members) void cluster.exitOf(name).then((code) => codes.push(code));
    for (let writes = 0; codes.length < count; writes += 1) {
      if (writes > writesMax) throw new Error(`${members} took ${writes} writes without an end`);
      await writer.once();
    }
    return codes.slice(0, count);
  }

  it.each(["leader", "follower"])("of the %s leaves the others at work", async (which) => {
    const [status, { members }] = await Promise.all([client.status(), client.memberList()]);
    const leader = members.find(({ ID }) => ID === status.leader)?.name ?? "";
    const full = which === "leader" ? leader : (names().find((name) => name !== leader) ?? "");
    disks.get(full)?.fill(roomBytes);
    expect(await writeUntilEnded([full], 1)).toEqual([1]);
    await eventually(() => Promise.resolve(cluster.log(full).includes("No space left on device") ? true : undefined));
    await writer.until(writer.acknowledged.length + 20);

    // As whoever supervises it does: it ends again, and harms nothing, for as long as there is no room.
    cluster.start(full);
    expect(await writeUntilEnded([full], 1)).toEqual([1]);

    disks.get(full)?.makeRoom();
    cluster.start(full);
    await writer.until(writer.acknowledged.length + 20);
    await expectAllEverywhere(cluster, writer);
  });

  it("of every member loses nothing", async () => {
    for (const disk of disks.values()) disk.fill(roomBytes);
    // The last one has no quorum, so nothing to write.
    expect(await writeUntilEnded(names(), 2)).toEqual([1, 1]);
    for (const name of names()) await cluster.signal(name, "SIGKILL");

    for (const disk of disks.values()) disk.makeRoom();
    cluster.startAll();
    await writer.until(writer.acknowledged.length + 20);
    await expectAllEverywhere(cluster, writer);
  });
});
