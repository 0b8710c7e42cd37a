// What is measured by load of one request: messages, and how many clients send them.
import { etcdserverpb } from "@lenj/proto/etcd";
import type { LoadShape } from "./h2load.js";

export interface Work {
  readonly name: string;
  readonly path: string;
  readonly message: Uint8Array;
  readonly shape: LoadShape;
}

const value = Buffer.alloc(256, 0x78);
export const listPrefix = "list/";
const encode = {
  put: (key: string) => etcdserverpb.PutRequest.encode(etcdserverpb.PutRequest.fromPartial({ key: Buffer.from(key), value })).finish(),
  range: (fields: Partial<etcdserverpb.RangeRequest>) =>
    etcdserverpb.RangeRequest.encode({ ...etcdserverpb.RangeRequest.fromPartial({}), ...fields }).finish(),
};

/** Kubernetes' update, with a compare that holds each time: the key's version is above 0. */
function updateTxn(): Uint8Array {
  const key = Buffer.from("update");
  return etcdserverpb.TxnRequest.encode(
    etcdserverpb.TxnRequest.fromPartial({
      compare: [
        {
          result: etcdserverpb.Compare_CompareResult.GREATER,
          target: etcdserverpb.Compare_CompareTarget.VERSION,
          key,
          targetUnion: { $case: "version", value: 0 },
        },
      ],
      success: [{ request: { $case: "requestPut", value: { key, value } } }],
      failure: [{ request: { $case: "requestRange", value: { key } } }],
    }),
  ).finish();
}

const shapes: Readonly<Record<string, (requests: number) => LoadShape>> = {
  "1 client": (requests) => ({ clients: 1, connections: 1, requests: Math.ceil(requests / 12) }),
  "64 clients": (requests) => ({ clients: 64, connections: 64, requests }),
  "1,000 clients": (requests) => ({ clients: 1_000, connections: 64, requests: requests * 2 }),
};

export function works(requests: number): Work[] {
  const one = { key: Buffer.from("update") };
  const messages: Readonly<Record<string, readonly [path: string, message: Uint8Array]>> = {
    put: ["/etcdserverpb.KV/Put", encode.put("update")],
    "linearizable range": ["/etcdserverpb.KV/Range", encode.range(one)],
    "serializable range": ["/etcdserverpb.KV/Range", encode.range({ ...one, serializable: true })],
    "update txn": ["/etcdserverpb.KV/Txn", updateTxn()],
  };
  const found: Work[] = [];
  for (const [what, [path, message]] of Object.entries(messages))
    for (const [who, shape] of Object.entries(shapes)) found.push({ name: `${what}, ${who}`, path, message, shape: shape(requests) });
  found.push({
    name: "list of 1,000 keys of 1 KB, 8 clients",
    path: "/etcdserverpb.KV/Range",
    message: encode.range({ key: Buffer.from(listPrefix), rangeEnd: Buffer.from("list0") }),
    shape: { clients: 8, connections: 8, requests: Math.ceil(requests / 20) },
  });
  found.push({
    name: "lease grant, 64 clients",
    path: "/etcdserverpb.Lease/LeaseGrant",
    message: etcdserverpb.LeaseGrantRequest.encode({ TTL: 3_600, ID: 0n }).finish(),
    shape: { clients: 64, connections: 64, requests },
  });
  return found;
}
