// Watchers whose clients do not read: they cost the member a bounded buffer, and get everything once they read again.
import { credentials } from "@grpc/grpc-js";
import { etcdserverpb } from "@lenj/proto/etcd";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(180_000);

const streams = 8;
/** Far more than the 16 messages that the client library takes ahead of who does not read. */
const writes = 80;
const valueBytes = 1_000_000;
/** Half of what the streams would hold if each held everything; some of it is what writing costs without watchers. */
const growthBytesMax = (streams * writes * valueBytes) / 2;

describe("watchers that stall", () => {
  let cluster: StoreCluster;

  beforeAll(async () => {
    cluster = await StoreCluster.create({ members: 1 });
    cluster.startAll();
    await eventually(() => Promise.resolve(cluster.etcdctl(["put", "warm", "1"]).code === 0 ? true : undefined));
  });

  afterAll(() => cluster.close());

  const read = async (name: string): Promise<number> => {
    const text = await (await fetch(`${cluster.endpoints[0]}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  };

  it("cost a bounded buffer, and miss nothing", async () => {
    const address = new URL(cluster.endpoints[0] ?? "").host;
    const kv = new etcdserverpb.KVClient(address, credentials.createInsecure());
    const clients = Array.from(
      { length: streams },
      (_unused, number) =>
        new etcdserverpb.WatchClient(address, credentials.createInsecure(), {
          // A connection of its own for each, so that one does not stop the others.
          "grpc.use_local_subchannel_pool": 1,
          "grpc.max_receive_message_length": -1,
          "test.number": number,
        }),
    );
    const watches = await Promise.all(
      clients.map(async (client) => {
        const watch = client.watch();
        watch.on("error", () => {});
        const createRequest = etcdserverpb.WatchCreateRequest.fromPartial({ key: Buffer.from("big") });
        watch.write({ requestUnion: { $case: "createRequest", value: createRequest } });
        await new Promise((resolve) => watch.once("data", resolve));
        watch.pause();
        return watch;
      }),
    );
    const before = await read("process_resident_memory_bytes");
    for (let number = 0; number < writes; number += 1) {
      const value = Buffer.alloc(valueBytes, number);
      await new Promise<void>((resolve, reject) => {
        kv.put(etcdserverpb.PutRequest.fromPartial({ key: Buffer.from("big"), value }), (error) =>
          error === null ? resolve() : reject(error),
        );
      });
    }
    expect(await read("etcd_debugging_mvcc_slow_watcher_total")).toBe(streams);
    expect((await read("process_resident_memory_bytes")) - before).toBeLessThan(growthBytesMax);

    const [first, ...others] = watches;
    if (first === undefined) throw new Error("no watch");
    for (const watch of others) watch.cancel();
    const seen: number[] = [];
    first.on("data", ({ events }: etcdserverpb.WatchResponse) => {
      for (const { kv: changed } of events) seen.push(changed?.value[0] ?? -1);
    });
    first.resume();
    await eventually(() => Promise.resolve(seen.length >= writes ? true : undefined), 90_000);
    expect(seen).toEqual(Array.from({ length: writes }, (_unused, number) => number));
    first.cancel();
    for (const client of [...clients, kv]) client.close();
  });
});
