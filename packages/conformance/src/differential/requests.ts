// Random requests of etcd's API, dense where the rules are: few keys, ranges that meet at their ends, revisions around the edges.
import type { Random } from "@lenj/base";
import { etcdserverpb } from "@lenj/proto/etcd";

/** A unary call. `name` is "Service/Method". */
export interface UnaryRequest {
  readonly name: keyof typeof methods;
  readonly message: unknown;
}

/** Something said on the open watch stream. */
export interface WatchAction {
  readonly name: "watch";
  readonly message: etcdserverpb.WatchRequest;
}

export type Action = UnaryRequest | WatchAction;

const { KVService, LeaseService, ClusterService, MaintenanceService } = etcdserverpb;

export const methods = {
  "KV/Range": KVService.range,
  "KV/Put": KVService.put,
  "KV/DeleteRange": KVService.deleteRange,
  "KV/Txn": KVService.txn,
  "KV/Compact": KVService.compact,
  "Lease/LeaseGrant": LeaseService.leaseGrant,
  "Lease/LeaseRevoke": LeaseService.leaseRevoke,
  "Lease/LeaseTimeToLive": LeaseService.leaseTimeToLive,
  "Lease/LeaseLeases": LeaseService.leaseLeases,
  "Cluster/MemberAdd": ClusterService.memberAdd,
  "Cluster/MemberRemove": ClusterService.memberRemove,
  "Cluster/MemberPromote": ClusterService.memberPromote,
  "Maintenance/Alarm": MaintenanceService.alarm,
  "Maintenance/MoveLeader": MaintenanceService.moveLeader,
} as const;

const keyTexts = ["a", "a\0", "aa", "ab", "b", "b/1", "b/2", "b0", "c", "c/x/1", "d", "é", "k", "\xff", "\xff\xff", "z"];
const values = ["", "v", "w", "value", "x".repeat(300), "\0\xff"].map((text) => Buffer.from(text, "latin1"));
const keys = keyTexts.map((text) => Buffer.from(text, "latin1"));
/** Ends of ranges: none, everything, keys and ends of prefixes. */
const ends = [Buffer.alloc(0), Buffer.of(0), ...keys, Buffer.from("b0"), Buffer.from("c0"), Buffer.from("{")];
/** Small, so that they meet; 0 is "none" and 99 is never granted. */
const leaseIDs = [1n, 2n, 3n, 4n, 5n, 6n];
const opsMax = 128;

/** What the requests are made around: where the key space has got to. */
export interface Position {
  revision: number;
  compacted: number;
}

export class RequestSource {
  #watchID = 0;
  readonly #watching: number[] = [];

  constructor(
    private readonly random: Random,
    private readonly position: Position,
  ) {}

  next(): Action {
    const roll = this.random.below(1_000);
    if (roll < 300) return { name: "KV/Range", message: this.#range() };
    if (roll < 520) return { name: "KV/Put", message: this.#put() };
    if (roll < 590) return { name: "KV/DeleteRange", message: this.#deleteRange() };
    if (roll < 790) return { name: "KV/Txn", message: this.#txn(0) };
    if (roll < 800) return { name: "KV/Compact", message: { revision: this.#compactRevision(), physical: this.#chance(3) } };
    if (roll < 840) return { name: "Lease/LeaseGrant", message: this.#grant() };
    if (roll < 860) return { name: "Lease/LeaseRevoke", message: { ID: this.#lease() } };
    if (roll < 890) return { name: "Lease/LeaseTimeToLive", message: { ID: this.#lease(), keys: this.#chance(2) } };
    if (roll < 900) return { name: "Lease/LeaseLeases", message: {} };
    if (roll < 920) return this.#rare();
    return this.#watch();
  }

  #rare(): Action {
    const memberID = BigInt(this.random.below(1_000) + 1);
    switch (this.random.below(5)) {
      case 0:
        return { name: "Maintenance/Alarm", message: { action: 0, memberID: 0n, alarm: 0 } };
      case 1:
        return { name: "Maintenance/MoveLeader", message: { targetID: memberID } };
      case 2:
        return { name: "Cluster/MemberRemove", message: { ID: memberID } };
      case 3:
        return { name: "Cluster/MemberPromote", message: { ID: memberID } };
      default:
        return { name: "Cluster/MemberAdd", message: { peerURLs: this.#chance(2) ? [] : ["not-a-url"], isLearner: false } };
    }
  }

  #range(): etcdserverpb.RangeRequest {
    const isPlain = this.#chance(2);
    return {
      key: this.#key(),
      rangeEnd: this.#end(),
      limit: this.#chance(3) ? this.random.below(5) : 0,
      revision: this.#chance(2) ? 0 : this.#revision(),
      sortOrder: (isPlain ? 0 : this.random.below(3)) as etcdserverpb.RangeRequest_SortOrder,
      sortTarget: (isPlain ? 0 : this.random.below(5)) as etcdserverpb.RangeRequest_SortTarget,
      serializable: this.#chance(2),
      keysOnly: this.#chance(6),
      countOnly: this.#chance(8),
      minModRevision: this.#chance(10) ? this.#revision() : 0,
      maxModRevision: this.#chance(10) ? this.#revision() : 0,
      minCreateRevision: this.#chance(10) ? this.#revision() : 0,
      maxCreateRevision: this.#chance(10) ? this.#revision() : 0,
    };
  }

  #put(): etcdserverpb.PutRequest {
    const ignoreValue = this.#chance(10);
    const ignoreLease = this.#chance(10);
    return {
      key: this.#key(),
      value: ignoreValue && !this.#chance(6) ? Buffer.alloc(0) : this.#pick(values),
      lease: this.#chance(3) && !(ignoreLease && !this.#chance(6)) ? this.#lease() : 0n,
      prevKv: this.#chance(3),
      ignoreValue,
      ignoreLease,
    };
  }

  #deleteRange(): etcdserverpb.DeleteRangeRequest {
    return { key: this.#key(), rangeEnd: this.#chance(2) ? Buffer.alloc(0) : this.#end(), prevKv: this.#chance(2) };
  }

  /**
   * Never up to the last of all keys: etcd overlooks a put under such a deletion in the same branch, where it refuses any other that changes
   * a key twice; we refuse it too, and from there on the two would no longer hold the same.
   */
  #deleteInTxn(): etcdserverpb.DeleteRangeRequest {
    const request = this.#deleteRange();
    return request.rangeEnd.length === 1 && request.rangeEnd[0] === 0 ? { ...request, rangeEnd: Buffer.alloc(0) } : request;
  }

  #txn(depth: number): etcdserverpb.TxnRequest {
    const ops = (): etcdserverpb.RequestOp[] =>
      Array.from({ length: depth === 0 && this.#chance(150) ? opsMax + this.random.below(2) : this.random.below(4) }, () =>
        this.#op(depth),
      );
    return { compare: Array.from({ length: this.random.below(3) }, () => this.#compare()), success: ops(), failure: ops() };
  }

  #op(depth: number): etcdserverpb.RequestOp {
    const roll = this.random.below(depth >= 2 ? 9 : 10);
    if (roll < 4) return { request: { $case: "requestPut", value: this.#put() } };
    if (roll < 7) return { request: { $case: "requestRange", value: this.#range() } };
    if (roll < 9) return { request: { $case: "requestDeleteRange", value: this.#deleteInTxn() } };
    return { request: { $case: "requestTxn", value: this.#txn(depth + 1) } };
  }

  #compare(): etcdserverpb.Compare {
    const target = this.random.below(5) as etcdserverpb.Compare_CompareTarget;
    const number = this.#chance(2) ? this.random.below(3) : this.#revision();
    const unions = [
      { $case: "version", value: number },
      { $case: "createRevision", value: number },
      { $case: "modRevision", value: number },
      { $case: "value", value: this.#pick(values) },
      { $case: "lease", value: this.#lease() },
    ] as const;
    return {
      result: this.random.below(4) as etcdserverpb.Compare_CompareResult,
      target,
      key: this.#key(),
      rangeEnd: this.#chance(4) ? this.#end() : Buffer.alloc(0),
      targetUnion: unions[target] as NonNullable<etcdserverpb.Compare["targetUnion"]>,
    };
  }

  #grant(): etcdserverpb.LeaseGrantRequest {
    const TTL = this.#chance(20) ? 9_000_000_001 : 10_000 + this.random.below(1_000);
    return { TTL, ID: this.#pick(leaseIDs) };
  }

  #watch(): WatchAction {
    if (this.#watching.length >= 12 || (this.#watching.length > 0 && this.#chance(2))) {
      const [id] = this.#watching.splice(this.random.below(this.#watching.length), 1);
      return watchAction({ $case: "cancelRequest", value: { watchId: id ?? 0 } });
    }
    this.#watchID += 1;
    const watchId = this.#chance(20) ? (this.#watching[0] ?? this.#watchID) : this.#watchID;
    if (watchId === this.#watchID) this.#watching.push(watchId);
    const isPast = this.#chance(2);
    return watchAction({
      $case: "createRequest",
      value: {
        key: this.#chance(8) ? Buffer.alloc(0) : this.#pick(keys),
        rangeEnd: this.#end(),
        startRevision: isPast ? Math.max(1, this.#revision()) : 0,
        progressNotify: false,
        filters: this.#chance(4) ? [this.random.below(2) as etcdserverpb.WatchCreateRequest_FilterType] : [],
        prevKv: this.#chance(2),
        watchId,
        fragment: false,
      },
    });
  }

  #key(): Buffer {
    return this.#chance(60) ? Buffer.alloc(0) : this.#pick(keys);
  }

  #end(): Buffer {
    return this.#chance(2) ? Buffer.alloc(0) : this.#pick(ends);
  }

  #lease(): bigint {
    return this.#chance(12) ? this.#pick([0n, 99n]) : this.#pick(leaseIDs);
  }

  /** Around what was compacted, around now, or anywhere between. */
  #revision(): number {
    const { revision, compacted } = this.position;
    switch (this.random.below(4)) {
      case 0:
        return compacted + this.random.below(5) - 2;
      case 1:
        return revision + this.random.below(5) - 3;
      case 2:
        return this.random.below(4) - 1;
      default:
        return compacted + this.random.below(Math.max(1, revision - compacted));
    }
  }

  #compactRevision(): number {
    const { revision, compacted } = this.position;
    return this.#chance(4) ? this.#revision() : compacted + this.random.below(Math.max(1, revision - compacted + 1));
  }

  #chance(oneIn: number): boolean {
    return this.random.below(oneIn) === 0;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)] as T;
  }
}

function watchAction(requestUnion: NonNullable<etcdserverpb.WatchRequest["requestUnion"]>): WatchAction {
  return { name: "watch", message: { requestUnion } };
}
