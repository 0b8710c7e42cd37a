// What is refused before it reaches the log. When several things are wrong, the first check in etcd's order wins.
// Source: etcd server/etcdserver/api/v3rpc/key.go.
import { isInRange, type KeyRange, keyFromBytes, keyRangeFromWire } from "@lenj/mvcc";
import type { etcdserverpb } from "@lenj/proto/etcd";
import { StoreError } from "./errors.js";

const sortOrderMax = 2;
const sortTargetMax = 4;

export function checkRange(request: etcdserverpb.RangeRequest): void {
  if (request.key.length === 0) throw new StoreError("EMPTY_KEY");
  const isKnown = (value: number, max: number): boolean => value >= 0 && value <= max;
  if (!isKnown(request.sortOrder, sortOrderMax) || !isKnown(request.sortTarget, sortTargetMax)) throw new StoreError("INVALID_SORT_OPTION");
}

export function checkPut(request: etcdserverpb.PutRequest): void {
  if (request.key.length === 0) throw new StoreError("EMPTY_KEY");
  if (request.ignoreValue && request.value.length !== 0) throw new StoreError("VALUE_PROVIDED");
  if (request.ignoreLease && request.lease !== 0n) throw new StoreError("LEASE_PROVIDED");
}

export function checkDeleteRange(request: etcdserverpb.DeleteRangeRequest): void {
  if (request.key.length === 0) throw new StoreError("EMPTY_KEY");
}

/** `opsMax` bounds the longest list of the transaction; a nested one gets what is left. */
export function checkTxn(request: etcdserverpb.TxnRequest, opsMax: number): void {
  checkTxnShape(request, opsMax);
  // Each branch alone: the two exclude each other, so they may name the same keys.
  collectWrites(request.success);
  collectWrites(request.failure);
}

function checkTxnShape(request: etcdserverpb.TxnRequest, opsMax: number): void {
  const ops = Math.max(request.compare.length, request.success.length, request.failure.length);
  if (ops > opsMax) throw new StoreError("TOO_MANY_OPS");
  for (const compare of request.compare) if (compare.key.length === 0) throw new StoreError("EMPTY_KEY");
  for (const op of request.success) checkOp(op, opsMax - ops);
  for (const op of request.failure) checkOp(op, opsMax - ops);
}

function checkOp(op: etcdserverpb.RequestOp, opsLeft: number): void {
  switch (op.request?.$case) {
    case "requestRange":
      return checkRange(op.request.value);
    case "requestPut":
      return checkPut(op.request.value);
    case "requestDeleteRange":
      return checkDeleteRange(op.request.value);
    case "requestTxn":
      return checkTxnShape(op.request.value, opsLeft);
    case undefined:
      // An operation that says nothing.
      throw new StoreError("KEY_NOT_FOUND");
  }
}

interface Writes {
  readonly puts: Set<string>;
  readonly deletes: KeyRange[];
}

/** The keys that a branch puts and the ranges it deletes; throws DUPLICATE_KEY when a key could change twice. */
function collectWrites(ops: readonly etcdserverpb.RequestOp[]): Writes {
  const writes: Writes = { puts: new Set(), deletes: [] };
  for (const { request } of ops) {
    if (request?.$case === "requestDeleteRange") writes.deletes.push(keyRangeFromWire(request.value.key, request.value.rangeEnd));
  }
  for (const { request } of ops) {
    if (request?.$case === "requestTxn") addNested(writes, request.value);
  }
  for (const { request } of ops) {
    if (request?.$case !== "requestPut") continue;
    const key = keyFromBytes(request.value.key);
    if (writes.puts.has(key) || isDeleted(writes.deletes, key)) throw new StoreError("DUPLICATE_KEY");
    writes.puts.add(key);
  }
  return writes;
}

function addNested(writes: Writes, txn: etcdserverpb.TxnRequest): void {
  const success = collectWrites(txn.success);
  const failure = collectWrites(txn.failure);
  for (const branch of [success, failure]) {
    for (const key of branch.puts) if (writes.puts.has(key) || isDeleted(writes.deletes, key)) throw new StoreError("DUPLICATE_KEY");
    for (const put of writes.puts) if (isDeleted(branch.deletes, put)) throw new StoreError("DUPLICATE_KEY");
  }
  for (const branch of [success, failure]) {
    for (const key of branch.puts) writes.puts.add(key);
    writes.deletes.push(...branch.deletes);
  }
}

function isDeleted(deletes: readonly KeyRange[], key: string): boolean {
  return deletes.some((range) => isInRange(range, key));
}

/** True when nothing in the transaction, either branch, can write. */
export function isReadOnlyTxn(request: etcdserverpb.TxnRequest): boolean {
  return [...request.success, ...request.failure].every(
    ({ request: op }) => op?.$case === "requestRange" || (op?.$case === "requestTxn" && isReadOnlyTxn(op.value)),
  );
}

/** True when every range in the transaction may be answered from local state. */
export function isSerializableTxn(request: etcdserverpb.TxnRequest): boolean {
  return [...request.success, ...request.failure].every(
    ({ request: op }) =>
      (op?.$case === "requestRange" && op.value.serializable) || (op?.$case === "requestTxn" && isSerializableTxn(op.value)),
  );
}
