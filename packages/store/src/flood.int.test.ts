// More than a member without a quorum can take: it refuses with etcd's error instead of growing, works afterwards, and has what it acknowledged.
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { etcdserverpb } from "@lenj/proto/etcd";
import { eventually, expectAllEverywhere, leaderName, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

const valueBytes = 1_000_000;
/** At once: more than may wait. */
const puts = 330;
/** Requests that wait, by the member's own bound. */
const waitingBytesMax = 256 * 1024 * 1024;
/** Each of them decoded and encoded, once more on the way to a peer that does not read, and what of that is garbage. */
const growthBytesMax = 4 * waitingBytesMax;
const refusedText = "etcdserver: too many requests";
const timeoutText = "etcdserver: request timed out";

describe("a flood of writes", () => {
  let cluster: StoreCluster;
  let kv: etcdserverpb.KVClient;
  const acknowledged: string[] = [];

  beforeEach(async () => {
    acknowledged.length = 0;
    cluster = await StoreCluster.create({ members: 3 });
    cluster.startAll();
    await cluster.becomeHealthy();
  });

  afterEach(async () => {
    kv.close();
    for (const { name } of cluster.addresses) await cluster.signal(name, "SIGCONT");
    await cluster.close();
  });

  /** Resolves with what became of it: "" when it was acknowledged. */
  const put = (name: string, bytes: number): Promise<string> =>
    new Promise((resolve) => {
      const request = etcdserverpb.PutRequest.fromPartial({ key: Buffer.from(name), value: Buffer.alloc(bytes, "v") });
      kv.put(request, { deadline: Date.now() + 60_000 } as never, (error: ServiceError | null) => {
        if (error === null) acknowledged.push(name);
        resolve(error === null ? "" : error.details);
      });
    });

  it.each(["leader", "follower"])("at a %s whose peers stand still is refused, and does no harm", async (role) => {
    const leader = await eventually(() => leaderName(cluster));
    const target = cluster.addresses.find(({ name }) => (name === leader) === (role === "leader"));
    if (target === undefined) throw new Error("no such member");
    kv = new etcdserverpb.KVClient(new URL(target.clientURL).host, credentials.createInsecure());
    expect(await put("w/before", 1)).toBe("");
    const memory = async (): Promise<number> =>
      Number(/^process_resident_memory_bytes (\S+)$/m.exec(await (await fetch(`${target.clientURL}/metrics`)).text())?.[1]);
    const before = await memory();
    const others = cluster.addresses.filter(({ name }) => name !== target.name);
    for (const { name } of others) await cluster.signal(name, "SIGSTOP");

    const grown: Promise<number>[] = [];
    const outcomes = new Map<string, number>();
    const flood = Array.from({ length: puts }, async (_, number) => {
      const outcome = await put(`w/${number}`, valueBytes);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      // All that may wait is waiting.
      if (outcome === refusedText && outcomes.get(outcome) === 1) grown.push(memory());
    });
    await Promise.all(flood);
    grown.push(memory());
    const largest = Math.max(...(await Promise.all(grown)));
    expect([...outcomes.keys()].filter((outcome) => outcome !== refusedText && outcome !== timeoutText)).toEqual([]);
    expect(outcomes.get(refusedText)).toBeGreaterThan(0);
    expect(largest - before).toBeLessThan(growthBytesMax);

    for (const { name } of others) await cluster.signal(name, "SIGCONT");
    await eventually(async () => ((await put("w/after", 1)) === "" ? true : undefined), 60_000);
    await expectAllEverywhere(cluster, { acknowledged });
  });
});
