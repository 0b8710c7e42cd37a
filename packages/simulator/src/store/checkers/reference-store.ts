// What etcd's key-value semantics say a sequence of commands does, written for clarity alone: every revision of every key is kept, so that
// any answer can be checked afterwards.
//
// R1. Shares no code with the store: where the two differ, one of them is wrong.
// Source: etcd's API guarantees and the comments of rpc.proto.
import { etcdserverpb } from "@lenj/proto/etcd";

const { AlarmRequest_AlarmAction: AlarmAction, AlarmType, Compare_CompareResult: Result, Compare_CompareTarget: Target } = etcdserverpb;

export interface Pair {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: bigint;
}

export interface Change {
  readonly revision: number;
  readonly key: string;
  /** Undefined: deleted. */
  readonly pair: Pair | undefined;
  readonly previous: Pair | undefined;
}

export type ErrorCode = "COMPACTED" | "FUTURE_REVISION" | "LEASE_NOT_FOUND" | "LEASE_EXISTS" | "KEY_NOT_FOUND" | "CORRUPT_CLUSTER";

/** `text` tells everything about the answer but its revision. */
export type Outcome = { readonly error: ErrorCode } | { readonly revision: number; readonly text: string };

export type ReferenceCommand = Partial<
  Pick<etcdserverpb.InternalRaftRequest, "put" | "deleteRange" | "txn" | "compaction" | "leaseGrant" | "leaseRevoke" | "alarm">
>;

export const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");

export const describePair = (pair: Pair): string => `${pair.key}=${pair.value}@${pair.create}/${pair.mod}/${pair.version}/${pair.lease}`;

export class ReferenceStore {
  revision = 1;
  /** Oldest readable revision; -1 before the first compaction. */
  compactRevision = -1;
  readonly changes: Change[] = [];
  readonly leases = new Map<bigint, number>();
  /** All changes of a key, oldest first. */
  readonly #keys = new Map<string, Change[]>();
  /** Members whose data is known to differ. While there are any, nobody's data is touched. */
  readonly #corrupt = new Set<bigint>();

  apply({ alarm, ...command }: ReferenceCommand): Outcome {
    if (alarm !== undefined) return this.#alarm(alarm);
    return this.#corrupt.size > 0 ? { error: "CORRUPT_CLUSTER" } : this.#touch(command);
  }

  #touch(command: Omit<ReferenceCommand, "alarm">): Outcome {
    if (command.put !== undefined) return this.#write(() => this.#put(command.put as etcdserverpb.PutRequest), this.#checkPut(command.put));
    if (command.deleteRange !== undefined) return this.#write(() => this.#delete(command.deleteRange as etcdserverpb.DeleteRangeRequest));
    if (command.txn !== undefined) return this.#txn(command.txn);
    if (command.compaction !== undefined) return this.#compact(command.compaction.revision);
    if (command.leaseGrant !== undefined) return this.#grant(command.leaseGrant);
    if (command.leaseRevoke !== undefined) return this.#revoke(command.leaseRevoke.ID);
    return { revision: this.revision, text: "" };
  }

  /** What may be told of a read of `revision` (0: the newest) once the store was at `current`. */
  checkReadable(revision: number): ErrorCode | undefined {
    if (revision <= 0) return undefined;
    if (revision > this.revision) return "FUTURE_REVISION";
    return revision < this.compactRevision ? "COMPACTED" : undefined;
  }

  describeRange(request: Pick<etcdserverpb.RangeRequest, "key" | "rangeEnd" | "limit">, revision: number): string {
    const found = this.rangeAt(text(request.key), text(request.rangeEnd), revision);
    const kept = request.limit > 0 ? found.slice(0, request.limit) : found;
    return `${kept.map(describePair).join(",")} of ${found.length}`;
  }

  rangeAt(key: string, end: string, revision: number): Pair[] {
    const pairs: Pair[] = [];
    for (const name of [...this.#keys.keys()].filter((each) => isIn(each, key, end)).sort()) {
      const pair = this.#changeAt(name, revision)?.pair;
      if (pair !== undefined) pairs.push(pair);
    }
    return pairs;
  }

  /** Changes of revisions [from, through] in a range, in order. */
  changesIn(key: string, end: string, from: number, through: number): Change[] {
    return this.changes.filter((change) => change.revision >= from && change.revision <= through && isIn(change.key, key, end));
  }

  #changeAt(key: string, revision: number): Change | undefined {
    return this.#keys.get(key)?.findLast((change) => change.revision <= revision);
  }

  #newest(key: string): Pair | undefined {
    return this.#keys.get(key)?.at(-1)?.pair;
  }

  #change(key: string, pair: Pair | undefined): void {
    const change: Change = { revision: this.revision + 1, key, pair, previous: this.#newest(key) };
    this.changes.push(change);
    const changes = this.#keys.get(key);
    if (changes === undefined) this.#keys.set(key, [change]);
    else changes.push(change);
  }

  /** One transaction: its changes have one revision, if there are any. */
  #write(act: () => string, error?: ErrorCode): Outcome {
    if (error !== undefined) return { error };
    const before = this.changes.length;
    const described = act();
    if (this.changes.length > before) this.revision += 1;
    return { revision: this.revision, text: described };
  }

  #checkPut(request: etcdserverpb.PutRequest): ErrorCode | undefined {
    if ((request.ignoreValue || request.ignoreLease) && this.#newest(text(request.key)) === undefined) return "KEY_NOT_FOUND";
    return request.lease !== 0n && !this.leases.has(request.lease) ? "LEASE_NOT_FOUND" : undefined;
  }

  #put(request: etcdserverpb.PutRequest): string {
    const key = text(request.key);
    const previous = this.#newest(key);
    this.#change(key, {
      key,
      value: request.ignoreValue ? (previous?.value ?? "") : text(request.value),
      create: previous?.create ?? this.revision + 1,
      mod: this.revision + 1,
      version: (previous?.version ?? 0) + 1,
      lease: request.ignoreLease ? (previous?.lease ?? 0n) : request.lease,
    });
    return `put ${request.prevKv && previous !== undefined ? describePair(previous) : ""}`;
  }

  #delete(request: etcdserverpb.DeleteRangeRequest): string {
    const found = this.rangeAt(text(request.key), text(request.rangeEnd), Number.POSITIVE_INFINITY);
    for (const pair of found) this.#change(pair.key, undefined);
    return `deleted ${found.length} ${request.prevKv ? found.map(describePair).join(",") : ""}`;
  }

  #txn(request: etcdserverpb.TxnRequest): Outcome {
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const ops = succeeded ? request.success : request.failure;
    for (const { request: op } of ops) {
      const error =
        op?.$case === "requestRange"
          ? this.checkReadable(op.value.revision)
          : op?.$case === "requestPut"
            ? this.#checkPut(op.value)
            : undefined;
      if (error !== undefined) return { error };
    }
    return this.#write(() => `${succeeded} ${ops.map((op) => this.#op(op)).join(";")}`);
  }

  #op({ request: op }: etcdserverpb.RequestOp): string {
    if (op?.$case === "requestPut") return this.#put(op.value);
    if (op?.$case === "requestDeleteRange") return this.#delete(op.value);
    if (op?.$case === "requestRange")
      return this.describeRange(op.value, op.value.revision > 0 ? op.value.revision : Number.POSITIVE_INFINITY);
    return "";
  }

  #holds(compare: etcdserverpb.Compare): boolean {
    const pair = this.#newest(text(compare.key));
    const union = compare.targetUnion;
    const wanted = union?.value ?? 0n;
    if (compare.target === Target.VALUE) {
      if (pair === undefined) return false;
      return isAs(compare.result, Buffer.compare(Buffer.from(pair.value, "latin1"), Buffer.isBuffer(wanted) ? wanted : Buffer.alloc(0)));
    }
    const found = {
      [Target.VERSION]: BigInt(pair?.version ?? 0),
      [Target.CREATE]: BigInt(pair?.create ?? 0),
      [Target.MOD]: BigInt(pair?.mod ?? 0),
      [Target.LEASE]: pair?.lease ?? 0n,
    }[compare.target as number] as bigint;
    const number = typeof wanted === "bigint" ? wanted : 0n;
    return isAs(compare.result, found < number ? -1 : found > number ? 1 : 0);
  }

  #compact(revision: number): Outcome {
    if (revision <= this.compactRevision) return { error: "COMPACTED" };
    if (revision > this.revision) return { error: "FUTURE_REVISION" };
    this.compactRevision = revision;
    return { revision: this.revision, text: "" };
  }

  #alarm({ action, alarm, memberID }: etcdserverpb.AlarmRequest): Outcome {
    if (alarm === AlarmType.CORRUPT && action === AlarmAction.ACTIVATE) this.#corrupt.add(memberID);
    if (alarm === AlarmType.CORRUPT && action === AlarmAction.DEACTIVATE) this.#corrupt.delete(memberID);
    return { revision: this.revision, text: "" };
  }

  #grant(request: etcdserverpb.LeaseGrantRequest): Outcome {
    if (this.leases.has(request.ID)) return { error: "LEASE_EXISTS" };
    this.leases.set(request.ID, request.TTL);
    return { revision: this.revision, text: `lease ${request.ID}` };
  }

  #revoke(id: bigint): Outcome {
    if (!this.leases.delete(id)) return { error: "LEASE_NOT_FOUND" };
    return this.#write(() => {
      for (const key of [...this.#keys.keys()].sort()) if (this.#newest(key)?.lease === id) this.#change(key, undefined);
      return "";
    });
  }
}

function isIn(key: string, start: string, end: string): boolean {
  if (end === "") return key === start;
  return key >= start && (end === "\0" || key < end);
}

function isAs(result: number, difference: number): boolean {
  switch (result) {
    case Result.EQUAL:
      return difference === 0;
    case Result.NOT_EQUAL:
      return difference !== 0;
    case Result.GREATER:
      return difference > 0;
    default:
      return difference < 0;
  }
}
