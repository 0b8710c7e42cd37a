// What is measured by load: what is asked, and how many clients ask.
import { etcdserverpb } from "@lenj/proto/etcd";
import { askOnce } from "./ask-once.js";
import type { BenchCluster } from "./cluster.js";
import { type LoadShape, type RepeatedCall, repeat } from "./h2load.js";
import { inParallel, type Load } from "./load.js";

/** A row of the table. */
export interface Work {
  readonly name: string;
  /** Operations of one measurement. */
  readonly operations: number;
  /** Operations before it is measured, where those of the other rows would take too long. */
  readonly warmUp?: number;
  measure(cluster: BenchCluster, operations: number): Promise<Load>;
  /** Wanted also as processor time and bytes of 1,000 operations. */
  readonly hasCosts?: boolean;
}

const { Compare_CompareResult, Compare_CompareTarget, Compare } = etcdserverpb;
const value = Buffer.alloc(256, 0x78);
const updatedKey = Buffer.from("update");
const listPrefix = "list/";
const listedKeys = 1_000;
const rangePath = "/etcdserverpb.KV/Range";
const txnPath = "/etcdserverpb.KV/Txn";

/** Kubernetes' update, with a compare that holds each time: the key's version is above 0. */
const update = {
  compare: {
    result: Compare_CompareResult.GREATER,
    target: Compare_CompareTarget.VERSION,
    key: updatedKey,
    targetUnion: { $case: "version", value: 0 },
  },
  success: { request: { $case: "requestPut", value: { key: updatedKey, value } } },
} as const;

/**
 * h2load sends one body to all paths, so this one is both requests: a transaction's fields 1 and 2, its compare and its put, have the numbers
 * and the wire type of a range's key and end. As a range it asks for one key, named like the encoded compare; {@link fillForWorks} puts it there.
 */
const mixed = {
  key: Buffer.from(Compare.encode(Compare.fromPartial(update.compare)).finish()),
  body: etcdserverpb.TxnRequest.encode(
    etcdserverpb.TxnRequest.fromPartial({ compare: [update.compare], success: [update.success] }),
  ).finish(),
};

const encodeRange = (fields: Partial<etcdserverpb.RangeRequest>): Uint8Array =>
  etcdserverpb.RangeRequest.encode({ ...etcdserverpb.RangeRequest.fromPartial({}), ...fields }).finish();

const calls = {
  put: {
    paths: ["/etcdserverpb.KV/Put"],
    message: etcdserverpb.PutRequest.encode(etcdserverpb.PutRequest.fromPartial({ key: updatedKey, value })).finish(),
  },
  linearizableRange: { paths: [rangePath], message: encodeRange({ key: updatedKey }) },
  serializableRange: { paths: [rangePath], message: encodeRange({ key: updatedKey, serializable: true }) },
  list: { paths: [rangePath], message: encodeRange({ key: Buffer.from(listPrefix), rangeEnd: Buffer.from("list0") }) },
  updateTxn: {
    paths: [txnPath],
    message: etcdserverpb.TxnRequest.encode(
      etcdserverpb.TxnRequest.fromPartial({
        compare: [update.compare],
        success: [update.success],
        failure: [{ request: { $case: "requestRange", value: { key: updatedKey } } }],
      }),
    ).finish(),
  },
  mixed: { paths: [rangePath, rangePath, txnPath, rangePath, rangePath], message: mixed.body },
  leaseGrant: {
    paths: ["/etcdserverpb.Lease/LeaseGrant"],
    message: etcdserverpb.LeaseGrantRequest.encode({ TTL: 3_600, ID: 0n }).finish(),
  },
} as const satisfies Readonly<Record<string, RepeatedCall>>;

/** `requests`: of a row with 64 clients. One client sends a quarter of them, 1,000 clients twice as many. */
const crowds: readonly { readonly name: string; readonly shape: (requests: number) => LoadShape }[] = [
  { name: "1 client", shape: (requests) => ({ clients: 1, connections: 1, requests: Math.ceil(requests / 4) }) },
  { name: "64 clients", shape: (requests) => ({ clients: 64, connections: 64, requests }) },
  { name: "1,000 clients", shape: (requests) => ({ clients: 1_000, connections: 64, requests: requests * 2 }) },
];

export function putWorks(requests: number): Work[] {
  return byCrowd("put", calls.put, requests).map((work) => ({ ...work, hasCosts: work.name !== "put, 1 client" }));
}

export function rangeWorks(requests: number): Work[] {
  return [
    ...byCrowd("linearizable range", calls.linearizableRange, requests),
    ...byCrowd("serializable range", calls.serializableRange, requests),
  ];
}

export function txnWorks(requests: number): Work[] {
  return byCrowd("update txn", calls.updateTxn, requests);
}

export function listWorks(requests: number): Work[] {
  return [
    repeated("list of 1,000 keys of 1 KB, 8 clients", calls.list, { clients: 8, connections: 8, requests: Math.ceil(requests / 20) }),
  ];
}

export function mixedWorks(requests: number): Work[] {
  return [repeated("80 % range, 20 % update txn, 64 clients", calls.mixed, { clients: 64, connections: 64, requests })];
}

/** etcd 3.4 copies a buffer for each read that the largest burst of writes before has made as large as it is, and that never shrinks. */
export function laterRangeWorks(requests: number): Work[] {
  return [repeated("linearizable range after the writes, 64", calls.linearizableRange, { clients: 64, connections: 64, requests })];
}

export function leaseGrantWorks(requests: number): Work[] {
  return [repeated("lease grant, 64 clients", calls.leaseGrant, { clients: 64, connections: 64, requests })];
}

/** Puts there what the works ask for, and sees that each is answered as meant. */
export async function fillForWorks(cluster: BenchCluster): Promise<void> {
  const client = cluster.client();
  await client.put({ key: updatedKey, value });
  await client.put({ key: mixed.key, value });
  await inParallel(listedKeys, 64, (n) =>
    client.put({ key: Buffer.from(`${listPrefix}${String(n).padStart(6, "0")}`), value: Buffer.alloc(1_024, 0x79) }),
  );
  await client.close();
  for (const { paths, message } of Object.values(calls)) for (const path of paths) await askOnce(cluster, path, message);
  const range = etcdserverpb.RangeResponse.decode(await askOnce(cluster, rangePath, mixed.body));
  const txn = etcdserverpb.TxnResponse.decode(await askOnce(cluster, txnPath, mixed.body));
  if (range.count !== 1 || !txn.succeeded) throw new Error(`${cluster.name} does not answer the mixed load as meant`);
}

function byCrowd(what: string, call: RepeatedCall, requests: number): Work[] {
  return crowds.map(({ name, shape }) => repeated(`${what}, ${name}`, call, shape(requests)));
}

function repeated(name: string, call: RepeatedCall, shape: LoadShape): Work {
  return {
    name,
    operations: shape.requests,
    measure: (cluster, operations) => repeat(cluster, call, { ...shape, requests: operations }),
  };
}
