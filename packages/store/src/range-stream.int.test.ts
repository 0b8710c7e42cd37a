// KV.RangeStream at a real member, by bare gRPC: what its pieces add up to, and what it refuses.
import { createHash } from "node:crypto";
import { credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { etcdserverpb, mvccpb } from "@lenj/proto/etcd";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

const bytes = (text: string): Buffer => Buffer.from(text);
const { RangeRequest, RangeRequest_SortOrder: SortOrder, RangeRequest_SortTarget: SortTarget } = etcdserverpb;
/** Comparing megabytes of values byte by byte takes its time. */
const digest = (kvs: readonly mvccpb.KeyValue[]): string[] =>
  kvs.map((kv) => createHash("sha1").update(mvccpb.KeyValue.encode(kv).finish()).digest("hex"));
type Pieces = readonly etcdserverpb.RangeResponse[];

describe("KV.RangeStream", () => {
  let cluster: StoreCluster;
  let client: EtcdClient;
  let kv: etcdserverpb.KVClient;

  beforeAll(async () => {
    cluster = await StoreCluster.create({ members: 1 });
    cluster.startAll();
    client = createEtcdClient({ endpoints: cluster.endpoints });
    await eventually(() => client.range({ key: bytes("x") }));
    kv = new etcdserverpb.KVClient(new URL(cluster.endpoints[0] ?? "").host, credentials.createInsecure());
    for (let first = 0; first < 500; first += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_unused, offset) =>
          client.put({ key: bytes(`r/${String(first + offset).padStart(4, "0")}`), value: bytes("v".repeat(20_000)) }),
        ),
      );
    }
  });

  afterAll(async () => {
    kv.close();
    await client.close();
    await cluster.close();
  });

  const all = { key: bytes("r/"), rangeEnd: bytes("r0") };
  const read = (
    request: Partial<etcdserverpb.RangeRequest>,
    options: { readonly token?: string; readonly onPiece?: () => Promise<void> } = {},
  ): Promise<Pieces> => {
    const metadata = new Metadata();
    if (options.token !== undefined) metadata.set("token", options.token);
    const stream = kv.rangeStream(RangeRequest.fromPartial(request), metadata);
    return (async () => {
      const pieces: etcdserverpb.RangeResponse[] = [];
      for await (const { rangeResponse } of stream as AsyncIterable<etcdserverpb.RangeStreamResponse>) {
        if (rangeResponse !== undefined) pieces.push(rangeResponse);
        await options.onPiece?.();
      }
      return pieces;
    })();
  };
  const refusal = async (request: Partial<etcdserverpb.RangeRequest>, token?: string): Promise<[number, string]> => {
    const error = await read(request, token === undefined ? {} : { token }).then(
      () => undefined,
      (failure: ServiceError) => failure,
    );
    return [error?.code ?? 0, error?.details ?? ""];
  };

  it("answers in pieces that add up to what Range answers, the last alone with header, more and count", async () => {
    for (const extra of [{}, { keysOnly: true }, { limit: 123 }, { limit: 3 }, { limit: 500 }, { countOnly: true }, { revision: 100 }]) {
      const pieces = await read({ ...all, ...extra });
      const whole = await client.range({ ...all, ...extra });
      expect(digest(pieces.flatMap((piece) => piece.kvs))).toEqual(digest(whole.kvs));
      const last = pieces.at(-1);
      expect({ more: last?.more, count: last?.count, header: last?.header }).toEqual({
        more: whole.more,
        count: whole.count,
        header: whole.header,
      });
      expect(pieces.slice(0, -1).every((piece) => piece.header === undefined && !piece.more && piece.count === 0)).toBe(true);
    }
  });

  it("begins with ten keys and doubles while pieces are small", async () => {
    const sizes = (await read({ ...all, keysOnly: true })).map((piece) => piece.kvs.length);
    expect(sizes).toEqual([10, 20, 40, 80, 160, 190]);
    const large = (await read(all)).map((piece) => piece.kvs.length);
    // 20 kB each: at 40 keys a piece is past half of the largest request, and the size stays.
    expect(large.slice(0, 5)).toEqual([10, 20, 40, 40, 40]);
  });

  it("reads one revision throughout, whatever is written meanwhile", async () => {
    const before = await client.range({ ...all, keysOnly: true });
    let hasWritten = false;
    const pieces = await read(all, {
      onPiece: async () => {
        if (hasWritten) return;
        hasWritten = true;
        await client.deleteRange({ key: bytes("r/0499") });
        await client.put({ key: bytes("r/0498x"), value: bytes("late") });
      },
    });
    expect(pieces.flatMap((piece) => piece.kvs.map((found) => found.key.toString()))).toEqual(
      before.kvs.map((found) => found.key.toString()),
    );
    expect(pieces.at(-1)?.header?.revision).toBe(before.header?.revision);
  });

  it("refuses sorting and filters, for which clients have Range, and what Range refuses", async () => {
    const sorting: [number, string] = [status.UNIMPLEMENTED, "RangeStream does not support custom sort orders"];
    expect(await refusal({ ...all, sortOrder: SortOrder.DESCEND })).toEqual(sorting);
    expect(await refusal({ ...all, sortTarget: SortTarget.MOD, sortOrder: SortOrder.ASCEND })).toEqual(sorting);
    expect(await refusal({ ...all, sortOrder: SortOrder.ASCEND })).toEqual([0, ""]);
    expect(await refusal({ ...all, minModRevision: 2 })).toEqual([status.UNIMPLEMENTED, "RangeStream does not support revision filters"]);
    expect(await refusal({})).toEqual([status.INVALID_ARGUMENT, "etcdserver: key is not provided"]);
    expect(await refusal({ ...all, revision: 100_000 })).toEqual([
      status.OUT_OF_RANGE,
      "etcdserver: mvcc: required revision is a future revision",
    ]);
  });

  it("asks for the right to read", async () => {
    const run = (...args: string[]): void => expect(cluster.etcdctl(args)).toMatchObject({ code: 0 });
    run("user", "add", "root:pw");
    run("user", "grant-role", "root", "root");
    run("user", "add", "reader:pw");
    run("role", "add", "readers");
    run("role", "grant-permission", "readers", "read", "r/00", "r/01");
    run("user", "grant-role", "reader", "readers");
    run("auth", "enable");
    const auth = new etcdserverpb.AuthClient(new URL(cluster.endpoints[0] ?? "").host, credentials.createInsecure());
    const token = await new Promise<string>((resolve, reject) => {
      auth.authenticate({ name: "reader", password: "pw" }, (error, answer) => (error === null ? resolve(answer.token) : reject(error)));
    });
    auth.close();
    const allowed = await read({ key: bytes("r/00"), rangeEnd: bytes("r/01"), keysOnly: true }, { token });
    expect(allowed.flatMap((piece) => piece.kvs)).toHaveLength(100);
    expect(await refusal(all, token)).toEqual([status.PERMISSION_DENIED, "etcdserver: permission denied"]);
    expect(await refusal(all)).toEqual([status.INVALID_ARGUMENT, "etcdserver: user name is empty"]);
    expect(cluster.etcdctl(["--user", "root:pw", "auth", "disable"]).code).toBe(0);
  });
});
