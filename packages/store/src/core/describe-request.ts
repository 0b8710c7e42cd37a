// Requests as the log names them: what was asked of which keys, and how large it was. Never values, passwords or tokens.
import { etcdserverpb } from "@lenj/proto/etcd";
import type { Command } from "./command.js";

export interface RequestDescription {
  /** The RPC, or the field of the command for those that have none. */
  readonly method: string;
  /** Where it begins, of a transaction the first key it names; absent when there is none. */
  readonly key?: string;
  readonly rangeEnd?: string;
  /** Bytes of keys and values that it brings. */
  readonly sizeBytes?: number;
  readonly ops?: number;
}

export type ReadRequest = etcdserverpb.RangeRequest | etcdserverpb.TxnRequest;

const textMax = 256;

const methods: Readonly<Partial<Record<keyof Command, string>>> = {
  put: "Put",
  deleteRange: "DeleteRange",
  txn: "Txn",
  compaction: "Compact",
  leaseGrant: "LeaseGrant",
  leaseRevoke: "LeaseRevoke",
  alarm: "Alarm",
  authenticate: "Authenticate",
};

export function describeCommand(command: Command): RequestDescription {
  const { put, deleteRange, txn } = command;
  if (put !== undefined) return { method: "Put", key: keyText(put.key), sizeBytes: put.key.length + put.value.length };
  if (deleteRange !== undefined) return { method: "DeleteRange", ...rangeText(deleteRange) };
  if (txn !== undefined) return describeTxn(txn);
  const field = (Object.keys(command) as (keyof Command)[]).find((name) => name !== "header" && command[name] !== undefined);
  return { method: field === undefined ? "membership" : (methods[field] ?? field) };
}

export function describeRead(request: ReadRequest): RequestDescription {
  return "compare" in request ? describeTxn(request) : { method: "Range", ...rangeText(request) };
}

function describeTxn(txn: etcdserverpb.TxnRequest): RequestDescription {
  const ops = [...txn.success, ...txn.failure];
  const firstKey = txn.compare[0]?.key ?? ops.map(keyOf).find((key) => key !== undefined);
  return {
    method: "Txn",
    ...(firstKey === undefined ? {} : { key: keyText(firstKey) }),
    sizeBytes: etcdserverpb.TxnRequest.encode(txn).finish().length,
    ops: ops.length,
  };
}

function keyOf({ request }: etcdserverpb.RequestOp): Uint8Array | undefined {
  return request === undefined || request.$case === "requestTxn" ? undefined : request.value.key;
}

function rangeText(request: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): Omit<RequestDescription, "method"> {
  const { key, rangeEnd } = request;
  return { key: keyText(key), ...(rangeEnd.length === 0 ? {} : { rangeEnd: keyText(rangeEnd) }) };
}

/** Printable, whatever bytes it has, and of bounded length. */
function keyText(key: Uint8Array): string {
  const text = Buffer.from(key.buffer, key.byteOffset, Math.min(key.length, textMax)).toString("latin1");
  const shown = text.replace(/[^\x20-\x7e]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return key.length > textMax ? `${shown}...` : shown;
}
