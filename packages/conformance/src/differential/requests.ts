// Random requests of etcd's API, dense where the rules are: few keys, ranges that meet at their ends, revisions around the edges.
import type { Random } from "@lenj/base";
import type { etcdserverpb } from "@lenj/proto/etcd";
import { AuthRequests } from "./auth-requests.js";
import type { Action, UnaryRequest, WatchAction } from "./methods.js";
import { QueueRequests } from "./queue-requests.js";

const keyTexts = ["a", "a\0", "aa", "ab", "b", "b/1", "b/2", "b0", "c", "c/x/1", "d", "é", "k", "\xff", "\xff\xff", "z"];
const values = ["", "v", "w", "value", "x".repeat(300), "\0\xff"].map((text) => Buffer.from(text, "latin1"));
const keys = keyTexts.map((text) => Buffer.from(text, "latin1"));
/** Ends of ranges: none, everything, keys and ends of prefixes. */
const ends = [Buffer.alloc(0), Buffer.of(0), ...keys, Buffer.from("b0"), Buffer.from("c0"), Buffer.from("{")];
/** Small, so that they meet; 0 is "none" and 99 is never granted. */
const leaseIDs = [1n, 2n, 3n, 4n, 5n, 6n];
const opsMax = 128;
/** 3.4 does not ask who wants these, as later releases do. */
const unguarded = new Set<string>(["Lease/LeaseGrant", "Lease/LeaseRevoke", "Lease/LeaseKeepAlive", "KV/Compact"]);

/** What the requests are made around: where the key space has got to. */
export interface Position {
  revision: number;
  compacted: number;
  /** Authentication is on. */
  isAuthOn: boolean;
  /** An alarm was raised, and not taken back. */
  isAlarmed: boolean;
}

export class RequestSource {
  #watchID = 0;
  readonly #watching: number[] = [];
  readonly #auth: AuthRequests;
  readonly queues: QueueRequests;

  constructor(
    private readonly random: Random,
    private readonly position: Position,
  ) {
    this.#auth = new AuthRequests(random, { key: () => this.#key(), end: () => this.#end() });
    this.queues = new QueueRequests(random, () => this.#lease());
  }

  next(): Action {
    return this.position.isAuthOn ? this.#asUser() : this.#next();
  }

  #next(): Action {
    if (this.position.isAlarmed && this.#chance(30))
      return { name: "Maintenance/Alarm", message: { ...alarmOf(this.random.below(2)), action: 2 } };
    const roll = this.random.below(1_000);
    if (roll >= 900 && roll < 920) return this.#rare();
    if (roll >= 920 && roll < 960) return this.#watch();
    if (roll >= 960 && roll < 980 && !this.position.isAlarmed) return this.#auth.next();
    if (roll >= 980) return this.queues.next();
    return this.#common(roll % 900);
  }

  /**
   * Watches stay out: the stream is open without a token. So do locks, which look at what is there first, and alarms: while one holds, etcd
   * lets everybody write that may not.
   */
  #asUser(): UnaryRequest {
    const user = this.#auth.user();
    const roll = this.random.below(1_000);
    if (roll < 100) return this.#auth.authenticate();
    if (roll < 110) return { name: "Auth/AuthDisable", message: {}, user: "root" };
    if (roll < 250) return this.#auth.nextAs(user);
    if (roll < 280) {
      const rare = this.#rare();
      return { ...(rare.name === "Maintenance/Alarm" ? { name: "Maintenance/Status", message: {} } : rare), user };
    }
    const common = this.#common(this.random.below(900));
    if (unguarded.has(common.name)) return this.#auth.nextAs(user);
    return { ...common, user };
  }

  #common(roll: number): UnaryRequest {
    if (roll < 300) return { name: "KV/Range", message: this.#range() };
    if (roll < 520) return { name: "KV/Put", message: this.#put() };
    if (roll < 590) return { name: "KV/DeleteRange", message: this.#deleteRange() };
    if (roll < 790) return { name: "KV/Txn", message: this.#txn(0) };
    if (roll < 800) return { name: "KV/Compact", message: { revision: this.#compactRevision(), physical: this.#chance(3) } };
    if (roll < 840) return { name: "Lease/LeaseGrant", message: this.#grant() };
    if (roll < 860) return { name: "Lease/LeaseRevoke", message: { ID: this.#lease() } };
    if (roll < 890) return { name: "Lease/LeaseTimeToLive", message: { ID: this.#lease(), keys: this.#chance(2) } };
    if (roll < 895) return { name: "Lease/LeaseKeepAlive", message: { ID: this.#lease() } };
    return { name: "Lease/LeaseLeases", message: {} };
  }

  #rare(): UnaryRequest {
    const memberID = BigInt(this.random.below(1_000) + 1);
    switch (this.random.below(10)) {
      case 0:
        return { name: "Maintenance/Alarm", message: { action: 0, memberID: 0n, alarm: 0 } };
      case 5:
        return { name: "Maintenance/Status", message: {} };
      case 6:
        return { name: "Maintenance/HashKV", message: { revision: this.#chance(2) ? 0 : this.#revision() } };
      case 7:
        return { name: "Cluster/MemberList", message: {} };
      case 8:
        return {
          name: "Cluster/MemberUpdate",
          message: { ID: memberID, peerURLs: this.#chance(2) ? ["http://127.0.0.1:1"] : ["not-a-url"] },
        };
      case 9:
        if (this.#chance(4)) return { name: "Maintenance/Defragment", message: {} };
        // One alarm at a time: 3.4 forgets that the other holds when one of two is taken back.
        return {
          name: "Maintenance/Alarm",
          message: { ...alarmOf(this.random.below(8)), action: this.position.isAlarmed ? 2 : 1 + this.random.below(2) },
        };
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
      ...this.#keyRange(),
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
    const { key, rangeEnd } = this.#keyRange();
    return { key, rangeEnd: this.#chance(2) ? Buffer.alloc(0) : rangeEnd, prevKv: this.#chance(2) };
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
      withOneInner(
        Array.from({ length: depth === 0 && this.#chance(150) ? opsMax + this.random.below(2) : this.random.below(4) }, () =>
          this.#op(depth),
        ),
      );
    return { compare: Array.from({ length: this.random.below(3) }, () => this.#compare()), success: ops(), failure: ops() };
  }

  #op(depth: number): etcdserverpb.RequestOp {
    // 3.4 overlooks what inner transactions do when it is short of space, and when it looks at permissions (CVE-2026-33343). We refuse them,
    // and the two would no longer hold the same.
    const isFlat = depth >= 2 || this.position.isAlarmed || this.position.isAuthOn;
    const roll = this.random.below(isFlat ? 9 : 10);
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
      ...this.#keyRange(4),
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
    if (this.#chance(10)) return watchAction({ $case: "progressRequest", value: {} });
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
        progressNotify: this.#chance(4),
        filters: this.#chance(4) ? [this.random.below(2) as etcdserverpb.WatchCreateRequest_FilterType] : [],
        prevKv: this.#chance(2),
        watchId,
        fragment: this.#chance(4),
      },
    });
  }

  /** `oneIn`: how often it has an end at all. As a user none that ends before it begins: etcd may see a permission there. */
  #keyRange(oneIn = 1): { key: Buffer; rangeEnd: Buffer } {
    const [key, end] = [this.#key(), this.#chance(oneIn) ? this.#end() : Buffer.alloc(0)];
    const isReversed = end.length > 0 && !end.equals(Buffer.of(0)) && Buffer.compare(key, end) >= 0;
    return { key, rangeEnd: isReversed && this.position.isAuthOn ? Buffer.alloc(0) : end };
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

/**
 * A branch with its first inner transaction only: etcd lets a later one delete what an earlier one put, where it refuses any other that
 * changes a key twice; we refuse that too.
 */
function withOneInner(ops: readonly etcdserverpb.RequestOp[]): etcdserverpb.RequestOp[] {
  const inner = ops.findIndex(({ request }) => request?.$case === "requestTxn");
  return ops.filter(({ request }, position) => request?.$case !== "requestTxn" || position === inner);
}

/** Of a member that is none: raised and taken back for it, an alarm holds all the same. */
function alarmOf(roll: number): { readonly memberID: bigint; readonly alarm: number } {
  return { memberID: 77n, alarm: roll === 0 ? 2 : 1 };
}

function watchAction(requestUnion: NonNullable<etcdserverpb.WatchRequest["requestUnion"]>): WatchAction {
  return { name: "watch", message: { requestUnion } };
}
