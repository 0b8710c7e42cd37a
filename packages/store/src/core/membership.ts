// Who is in the cluster, as the replicated state knows it.
//
// Owns:  the member records and the IDs of removed members, in the backend's `members` table.
// Not:   who leads or votes in which configuration (the raft core), connections (drivers/peer).
// M1. The raft configuration follows from the records alone: a learner's record says so, all others vote.
// M2. A removed ID never comes back.
// Source: etcd server/etcdserver/api/membership/cluster.go.
import type { Backend } from "@lenj/mvcc";
import { MemberRecord } from "@lenj/proto/raft";
import type { ConfState } from "@lenj/raft";
import { StoreError } from "./errors.js";

export type { MemberRecord };

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

  /** Throws what speaks against adding a member with these peer URLs. */
  checkAdd(id: bigint, peerURLs: readonly string[], isLearner: boolean, learnersMax: number): void {
    if (this.#removed.has(id) || this.#members.has(id)) throw new StoreError("MEMBER_EXISTS");
    const used = new Set(this.list().flatMap((member) => member.peerUrls));
    if (peerURLs.some((url) => used.has(url))) throw new StoreError("PEER_URL_EXISTS");
    if (isLearner && this.list().filter((member) => member.isLearner).length >= learnersMax) throw new StoreError("TOO_MANY_LEARNERS");
  }

  /** Throws what speaks against giving a member these peer URLs. */
  checkUpdate(id: bigint, peerURLs: readonly string[]): void {
    this.checkExists(id);
    const used = new Set(this.list().flatMap((member) => (member.id === id ? [] : member.peerUrls)));
    if (peerURLs.some((url) => used.has(url))) throw new StoreError("PEER_URL_EXISTS");
  }

  checkExists(id: bigint): MemberRecord {
    const member = this.#members.get(id);
    if (member === undefined) throw new StoreError("MEMBER_NOT_FOUND");
    return member;
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
