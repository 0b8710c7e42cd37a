// Transactions: which branch holds, what it would do, and doing it.
//
// X1. Everything that can fail is checked for the whole chosen path before its first write, on the state before the transaction:
//     a transaction happens in full or not at all, and the same way on every member.
// Source: etcd server/etcdserver/txn/txn.go.
import { decodeKeyValue, type KeySpace, type KeyValue, keyFromBytes, keyRangeFromWire, MvccError, type WriteTransaction } from "@lenj/mvcc";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { DeleteRangeAnswer, OpAnswer, PutAnswer, TxnAnswer } from "./answers.js";
import { type Readable, readRange } from "./range-read.js";

const { Compare_CompareResult: CompareResult, Compare_CompareTarget: CompareTarget } = etcdserverpb;

/** A transaction with its compares evaluated: the branch that runs, nested ones included. */
export interface TxnPlan {
  readonly succeeded: boolean;
  readonly ops: readonly { readonly op: etcdserverpb.RequestOp; readonly nested: TxnPlan | undefined }[];
}

/** Evaluates all compares, nested ones included, on the state before the transaction. */
export function planTxn(space: KeySpace, request: etcdserverpb.TxnRequest): TxnPlan {
  const succeeded = request.compare.every((compare) => holds(space, compare));
  const branch = succeeded ? request.success : request.failure;
  return {
    succeeded,
    ops: branch.map((op) => ({ op, nested: op.request?.$case === "requestTxn" ? planTxn(space, op.request.value) : undefined })),
  };
}

/** Throws what would fail: KEY_NOT_FOUND or LEASE_NOT_FOUND of any put, then COMPACTED or FUTURE_REVISION of any range. */
export function checkTxnPlan(space: KeySpace, plan: TxnPlan): void {
  const ops = [...plannedOps(plan)];
  for (const op of ops) if (op?.$case === "requestPut") checkPutApplies(space, op.value);
  for (const op of ops) if (op?.$case === "requestRange") checkRangeApplies(space, op.value.revision);
}

function* plannedOps(plan: TxnPlan): Generator<etcdserverpb.RequestOp["request"]> {
  for (const { op, nested } of plan.ops) {
    if (nested === undefined) yield op.request;
    else yield* plannedOps(nested);
  }
}

/** Alone, a negative revision means the newest; in a transaction it counts as one before all others. */
function checkRangeApplies(space: KeySpace, revision: number): void {
  if (revision < 0 && revision < space.compactRevision) throw new MvccError("COMPACTED");
  space.checkReadable(revision);
}

export function checkPutApplies(space: KeySpace, request: etcdserverpb.PutRequest): void {
  if (request.ignoreValue || request.ignoreLease) {
    const entry = space.index.get(keyFromBytes(request.key));
    if (entry === undefined || entry.createRevision === 0) throw new MvccError("KEY_NOT_FOUND");
  }
  if (request.lease !== 0n && space.leases.get(request.lease) === undefined) throw new MvccError("LEASE_NOT_FOUND");
}

/** Runs a checked plan. `writer` is undefined for a read-only transaction. */
export function executeTxn(space: KeySpace, writer: WriteTransaction | undefined, plan: TxnPlan): TxnAnswer {
  const responses = plan.ops.map(({ op, nested }) => executeOp(space, writer, op, nested));
  return { kind: "txn", revision: writer?.revision ?? space.currentRevision, succeeded: plan.succeeded, responses };
}

function executeOp(
  space: KeySpace,
  writer: WriteTransaction | undefined,
  op: etcdserverpb.RequestOp,
  nested: TxnPlan | undefined,
): OpAnswer {
  if (nested !== undefined) return executeTxn(space, writer, nested);
  const view: Readable = writer ?? space;
  if (op.request?.$case === "requestRange") return readRange(view, op.request.value, writer?.revision ?? space.currentRevision);
  if (op.request?.$case === "requestPut" && writer !== undefined) return executePut(writer, op.request.value);
  if (op.request?.$case === "requestDeleteRange" && writer !== undefined) return executeDeleteRange(writer, op.request.value);
  throw new MvccError("KEY_NOT_FOUND", "operation without content");
}

export function executePut(writer: WriteTransaction, request: etcdserverpb.PutRequest): PutAnswer {
  const previous = writer.put(request);
  return { kind: "put", revision: writer.revision, previous: request.prevKv ? previous : undefined };
}

export function executeDeleteRange(writer: WriteTransaction, request: etcdserverpb.DeleteRangeRequest): DeleteRangeAnswer {
  const { deleted, previous } = writer.deleteRange(keyRangeFromWire(request.key, request.rangeEnd), request.prevKv);
  return { kind: "deleteRange", revision: writer.revision, deleted, previous };
}

const missing: KeyValue = { key: new Uint8Array(0), value: new Uint8Array(0), createRevision: 0, modRevision: 0, version: 0, lease: 0n };

/** True when every key of the compare's range satisfies it; an empty range counts as one missing key. */
function holds(space: KeySpace, compare: etcdserverpb.Compare): boolean {
  let any = false;
  let all = true;
  space.index.visit(keyRangeFromWire(compare.key, compare.rangeEnd), Number.MAX_SAFE_INTEGER, (entry, position) => {
    any = true;
    all = satisfies(compare, decodeKeyValue(space.valueAt(entry, position)));
    return all;
  });
  if (any) return all;
  // A missing key has no value to compare, whatever is asked of it.
  return compare.target !== CompareTarget.VALUE && satisfies(compare, missing);
}

function satisfies(compare: etcdserverpb.Compare, kv: KeyValue): boolean {
  const difference = compareTarget(compare, kv);
  switch (compare.result) {
    case CompareResult.EQUAL:
      return difference === 0;
    case CompareResult.NOT_EQUAL:
      return difference !== 0;
    case CompareResult.GREATER:
      return difference > 0;
    case CompareResult.LESS:
      return difference < 0;
    default:
      return true;
  }
}

/** Sign of (what the key has - what is compared to). A union that does not fit the target compares to its default. */
function compareTarget(compare: etcdserverpb.Compare, kv: KeyValue): number {
  const union = compare.targetUnion;
  switch (compare.target) {
    case CompareTarget.VALUE:
      return Buffer.compare(kv.value, union?.$case === "value" ? union.value : missing.value);
    case CompareTarget.CREATE:
      return kv.createRevision - Number(union?.$case === "createRevision" ? union.value : 0n);
    case CompareTarget.MOD:
      return kv.modRevision - Number(union?.$case === "modRevision" ? union.value : 0n);
    case CompareTarget.VERSION:
      return kv.version - Number(union?.$case === "version" ? union.value : 0n);
    case CompareTarget.LEASE: {
      const wanted = union?.$case === "lease" ? union.value : 0n;
      return kv.lease < wanted ? -1 : kv.lease > wanted ? 1 : 0;
    }
    default:
      return 0;
  }
}
