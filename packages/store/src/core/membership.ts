// Who is in the cluster, as the replicated state knows it.
//
// Owns:  the member records and the IDs of removed members, in the backend's `members` table.
// Not:   who leads or votes in which configuration (the raft core), connections (drivers/peer).
// M1. The raft configuration follows from the records alone: a learner's record says so, all others vote.
// M2. A removed ID never comes back.
// Source: etcd server/etcdserver/api/membership/cluster.go.
import type { Backend } from "@lenj/mvcc";
import { type ConfChangeContext, MemberRecord } from "@lenj/proto/raft";
import type { ConfChangeSingle, ConfState } from "@lenj/raft";
import { StoreError } from "./errors.js";

export type { MemberRecord };

/** How many learners there may be when a change does not say. Upstream: DefaultMaxLearners. */
export const defaultLearnersMax = 1;
const removedMark = 0x72;

export class Membership {
  readonly #members = new Map<bigint, MemberRecord>();
  readonly #removed = new Set<bigint>();

  constructor(private readonly backend: Backend) {}

  load(key: Uint8Array, value: Uint8Array): void {
    if (key.length === 9) this.#removed.add(decodeID(key.subarray(1)));
    else this.#members.set(decodeID(key), MemberRecord.decode(value));
  }

  get(id: bigint): MemberRecord | undefined {
    return this.#members.get(id);
  }

  removedIDs(): bigint[] {
    return [...this.#removed];
  }

  isRemoved(id: bigint): boolean {
    return this.#removed.has(id);
  }

  /** By ID, as unsigned numbers. */
  list(): MemberRecord[] {
    return [...this.#members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  confState(): ConfState {
    const members = this.list();
    const ids = (isLearner: boolean): bigint[] => members.filter((member) => member.isLearner === isLearner).map((member) => member.id);
    return { voters: ids(false), learners: ids(true), votersOutgoing: [], learnersNext: [], autoLeave: false };
  }

  /** Adds or replaces a record. */
  put(member: MemberRecord): void {
    this.#members.set(member.id, member);
    this.backend.put("members", encodeID(member.id), MemberRecord.encode(member).finish());
  }

  remove(id: bigint): void {
    this.#members.delete(id);
    this.#removed.add(id);
    this.backend.delete("members", encodeID(id));
    this.backend.put("members", Uint8Array.of(removedMark, ...encodeID(id)), new Uint8Array(0));
  }

  /** What a member says about itself once it runs. Unknown members are ignored: they may have been removed meanwhile. */
  setAttributes(id: bigint, attributes: { readonly name: string; readonly clientUrls: readonly string[] }): void {
    const member = this.#members.get(id);
    if (member !== undefined) this.put({ ...member, name: attributes.name, clientUrls: [...attributes.clientUrls] });
  }

  voters(): MemberRecord[] {
    return this.list().filter((member) => !member.isLearner);
  }

  /**
   * Whether, after a change, enough voters have ever started (told their name) to be a quorum. One that is promoted counts as started;
   * one that is added does not, but a single member may always get a second.
   */
  isQuorumStarted(change: { readonly isAdding?: boolean; readonly removed?: bigint; readonly promoted?: bigint }): boolean {
    const staying = this.voters().filter(({ id }) => id !== change.removed);
    const added = change.isAdding === true || change.promoted !== undefined ? 1 : 0;
    const started = staying.filter(({ name }) => name !== "").length + (change.promoted === undefined ? 0 : 1);
    if (change.isAdding === true && started === 1 && staying.length === 1) return true;
    return started >= Math.floor((staying.length + added) / 2) + 1;
  }

  /** Throws what speaks against a committed change. All members decide alike: on the records and the entry alone. */
  checkChange(change: ConfChangeSingle, context: ConfChangeContext): void {
    const { memberID: id, type } = change;
    const member = this.#members.get(id);
    // An ID that was removed is as good as unknown, and never comes back.
    if (this.#removed.has(id)) throw new StoreError("MEMBER_NOT_FOUND");
    if (type === "remove" || type === "update" || context.promote) {
      if (member === undefined) throw new StoreError("MEMBER_NOT_FOUND");
      if (context.promote && !member.isLearner) throw new StoreError("MEMBER_NOT_LEARNER");
      if (type === "update") this.#checkURLs(id, context);
      return;
    }
    if (member !== undefined) throw new StoreError("MEMBER_EXISTS");
    this.#checkURLs(id, context);
    const learners = this.list().filter(({ isLearner }) => isLearner).length;
    if (type === "addLearner" && learners >= (context.learnersMax || defaultLearnersMax)) throw new StoreError("TOO_MANY_LEARNERS");
  }

  /** Takes a change over that was checked. */
  applyChange(change: ConfChangeSingle, { member, promote }: ConfChangeContext): void {
    const before = this.#members.get(change.memberID);
    if (change.type === "remove") this.remove(change.memberID);
    else if (change.type === "update") {
      if (before !== undefined && member !== undefined) this.put({ ...before, peerUrls: member.peerUrls });
    } else if (promote) {
      if (before !== undefined) this.put({ ...before, isLearner: false });
    } else if (member !== undefined) this.put({ ...member, isLearner: change.type === "addLearner" });
  }

  #checkURLs(id: bigint, { member }: ConfChangeContext): void {
    const used = new Set(this.list().flatMap((other) => (other.id === id ? [] : other.peerUrls)));
    if (member?.peerUrls.some((url) => used.has(url)) === true) throw new StoreError("PEER_URL_EXISTS");
  }
}

function encodeID(id: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, id);
  return bytes;
}

function decodeID(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0);
}
