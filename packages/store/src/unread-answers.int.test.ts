// Clients that ask for much and read nothing: what they cost the member is bounded, others go on, and it ends with them.
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { etcdserverpb } from "@lenj/proto/etcd";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(240_000);

const valueBytes = 100_000;
const values = 320;
const dataBytes = values * valueBytes;
const all = { key: Buffer.from("big/"), rangeEnd: Buffer.from("big0") };
/** What a member grows by for reading and writing so much at all, whoever reads. */
const workBytes = 4 * dataBytes;

interface Unread {
  readonly method: "RangeStream" | "Range";
  readonly calls: number;
  readonly rounds: number;
  readonly growthBytesMax: number;
}

describe("clients that do not read", () => {
  let cluster: StoreCluster;
  let client: EtcdClient;
  let sessions: ClientHttp2Session[];

  beforeEach(async () => {
    sessions = [];
    cluster = await StoreCluster.create({ members: 1 });
    cluster.startAll();
    client = createEtcdClient({ endpoints: cluster.endpoints });
    await eventually(() => client.put({ key: Buffer.from("warm"), value: Buffer.from("1") }));
    for (let number = 0; number < values; number += 1)
      await client.put({ key: Buffer.from(`big/${number}`), value: Buffer.alloc(valueBytes, number) });
  });

  afterEach(async () => {
    for (const session of sessions) session.destroy();
    await client.close();
    await cluster.close();
  });

  /** Of all label values that `labels` matches. */
  const metric = async (name: string, labels = ""): Promise<number> => {
    const text = await (await fetch(`${cluster.endpoints[0]}/metrics`)).text();
    const lines = [...text.matchAll(new RegExp(`^${name}(?:\\{([^}]*)\\})? (\\S+)$`, "gm"))];
    return lines.filter(([, found = ""]) => found.includes(labels)).reduce((sum, [, , value]) => sum + Number(value), 0);
  };

  /** A call on a connection of its own. Its answer begins and then waits: nobody widens the flow control windows. */
  async function askUnread(method: string): Promise<void> {
    const session = connect(cluster.endpoints[0] ?? "");
    session.on("error", () => {});
    sessions.push(session);
    const call = session.request({
      ":method": "POST",
      ":path": `/etcdserverpb.KV/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    call.on("error", () => {});
    const request = etcdserverpb.RangeRequest.encode(etcdserverpb.RangeRequest.fromPartial(all)).finish();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(request.length, 1);
    const answered = once(call, "response");
    call.end(Buffer.concat([prefix, request]));
    await answered;
  }

  async function leave(): Promise<void> {
    const ends = sessions.map((session) => once(session, "close"));
    for (const session of sessions) session.destroy();
    await Promise.all(ends);
    sessions = [];
  }

  const rows: readonly Unread[] = [
    // A fraction of what they asked for, however many there are.
    { method: "RangeStream", calls: 40, rounds: 1, growthBytesMax: workBytes + (40 * dataBytes) / 8 },
    // An answer in one piece waits as a whole, here as in etcd. What those who left asked for is not kept.
    { method: "Range", calls: 10, rounds: 6, growthBytesMax: workBytes + 2 * 10 * dataBytes },
  ];

  it.each(rows)(
    "of $method cost no more than they may, and nothing once they are gone",
    async ({ method, calls, rounds, growthBytesMax }) => {
      const before = await metric("process_resident_memory_bytes");
      const label = `grpc_method="${method}"`;
      const begun = async (): Promise<number> => metric("grpc_server_started_total", label);
      const ended = async (): Promise<number> => metric("grpc_server_handled_total", label);
      for (let round = 1; round <= rounds; round += 1) {
        for (let number = 0; number < calls; number += 1) await askUnread(method);
        // Others are answered, all of what they asked for.
        await client.put({ key: Buffer.from("other"), value: Buffer.from(String(round)) });
        expect((await client.range({ key: Buffer.from("other") })).kvs[0]?.value.toString()).toBe(String(round));
        const grown = (await metric("process_resident_memory_bytes")) - before;
        expect(grown).toBeLessThan(growthBytesMax);
        await leave();
        await eventually(async () => ((await begun()) === (await ended()) ? true : undefined));
      }
      expect((await client.range(all)).kvs).toHaveLength(values);
    },
  );
});
