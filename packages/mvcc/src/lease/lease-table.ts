// Leases: time-limited ownership of keys.
//
// Owns:  the leases, which keys hang on them, their expiry on this member's clock.
// Not:   deleting keys (the key space does), proposing revocations (the leader's replica does).
// L1. Grants, revocations, attachments and checkpoints are replicated: equal on all members after equal history.
// L2. Expiry times are local and mean something on the leader only ("primary"); elsewhere leases do not expire.
// L3. On becoming primary each lease gets its remaining time (its checkpoint, else its full TTL) plus an extension, since the time
//     since the last renewal is unknown here.
// Source: etcd server/lease/lessor.go.

import type { Backend } from "../backend.js";
import { MvccError } from "../errors.js";
import type { Key } from "../key-range.js";
import { ExpiryQueue } from "./expiry-queue.js";
import { decodeLeaseRecord, encodeLeaseID, encodeLeaseRecord } from "./lease-record.js";

export type LeaseID = bigint;

/** No lease. */
export const noLease: LeaseID = 0n;

/** Longest TTL that may be granted, in seconds. */
export const leaseTTLSecondsMax = 9_000_000_000;

export interface Lease {
  readonly id: LeaseID;
  readonly ttlSeconds: number;
  /** Time left at the last checkpoint in seconds; 0 when there was none since the last renewal. */
  remainingSeconds: number;
  /** Local monotonic time of expiry; Infinity while not primary. */
  expiryMs: number;
  readonly keys: Set<Key>;
}

export class LeaseTable {
  readonly #leases = new Map<LeaseID, Lease>();
  readonly #expiries = new ExpiryQueue();
  #isPrimary = false;

  constructor(private readonly backend: Backend) {}

  get size(): number {
    return this.#leases.size;
  }

  get isPrimary(): boolean {
    return this.#isPrimary;
  }

  get(id: LeaseID): Lease | undefined {
    return this.#leases.get(id);
  }

  ids(): LeaseID[] {
    return [...this.#leases.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  /** Takes a stored lease back after a restart, before any key is attached. */
  load(idBytes: Uint8Array, record: Uint8Array): void {
    const { id, ttlSeconds, remainingSeconds } = decodeLeaseRecord(idBytes, record);
    this.#leases.set(id, { id, ttlSeconds, remainingSeconds, expiryMs: Number.POSITIVE_INFINITY, keys: new Set() });
  }

  /** Throws LEASE_EXISTS, LEASE_NOT_FOUND (ID 0) or LEASE_TTL_TOO_LARGE. `nowMs` is local time, used when primary. */
  grant(id: LeaseID, ttlSeconds: number, nowMs: number): Lease {
    if (id === noLease) throw new MvccError("LEASE_NOT_FOUND");
    if (ttlSeconds > leaseTTLSecondsMax) throw new MvccError("LEASE_TTL_TOO_LARGE");
    if (this.#leases.has(id)) throw new MvccError("LEASE_EXISTS");
    const lease: Lease = { id, ttlSeconds, remainingSeconds: 0, expiryMs: Number.POSITIVE_INFINITY, keys: new Set() };
    this.#leases.set(id, lease);
    if (this.#isPrimary) this.#setExpiry(lease, nowMs + ttlSeconds * 1_000);
    this.backend.put("lease", encodeLeaseID(id), encodeLeaseRecord(ttlSeconds, 0));
    return lease;
  }

  /** Removes the lease and returns its keys, in order, for deletion. Throws LEASE_NOT_FOUND. */
  revoke(id: LeaseID): Key[] {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw new MvccError("LEASE_NOT_FOUND");
    this.#leases.delete(id);
    this.backend.delete("lease", encodeLeaseID(id));
    return [...lease.keys].sort();
  }

  attach(id: LeaseID, key: Key): void {
    this.#leases.get(id)?.keys.add(key);
  }

  detach(id: LeaseID, key: Key): void {
    this.#leases.get(id)?.keys.delete(key);
  }

  /**
   * Replicated: the time left when the leader last wrote it down; 0 once it was renewed. Unknown leases are ignored. The expiry on the
   * leader's clock stays as it is: the lease may have been renewed since the time was taken.
   */
  checkpoint(id: LeaseID, remainingSeconds: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.remainingSeconds = remainingSeconds;
    this.backend.put("lease", encodeLeaseID(id), encodeLeaseRecord(lease.ttlSeconds, remainingSeconds));
  }

  /** Primary only. Starts the TTL anew; undefined when the lease is unknown or has expired already. */
  renew(id: LeaseID, nowMs: number): Lease | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.expiryMs <= nowMs) return undefined;
    this.#setExpiry(lease, nowMs + lease.ttlSeconds * 1_000);
    return lease;
  }

  /** Seconds left on this member's clock, rounded down; negative once overdue, the full TTL while not primary. */
  remainingSeconds(lease: Lease, nowMs: number): number {
    return lease.expiryMs === Number.POSITIVE_INFINITY ? lease.ttlSeconds : Math.floor((lease.expiryMs - nowMs) / 1_000);
  }

  /** This member leads now: leases start to run, each with `extendMs` on top of what it had left. */
  promote(nowMs: number, extendMs: number): void {
    this.#isPrimary = true;
    for (const lease of this.#leases.values()) {
      const seconds = lease.remainingSeconds > 0 ? lease.remainingSeconds : lease.ttlSeconds;
      this.#setExpiry(lease, nowMs + seconds * 1_000 + extendMs);
    }
  }

  demote(): void {
    this.#isPrimary = false;
    this.#expiries.clear();
    for (const lease of this.#leases.values()) lease.expiryMs = Number.POSITIVE_INFINITY;
  }

  /** Up to `limit` leases that are due. They stay due (and are returned again after `retryMs`) until revoked or renewed. */
  takeExpired(nowMs: number, limit: number, retryMs: number): LeaseID[] {
    const expired: LeaseID[] = [];
    while (expired.length < limit) {
      const due = this.#expiries.popDue(nowMs);
      if (due === undefined) break;
      const lease = this.#leases.get(due.id);
      if (lease === undefined) continue;
      if (lease.expiryMs > nowMs) this.#expiries.push({ id: due.id, dueMs: lease.expiryMs });
      else expired.push(due.id);
    }
    for (const id of expired) this.#expiries.push({ id, dueMs: nowMs + retryMs });
    return expired;
  }

  /** Long leases whose remaining time should be written down now: those that ran for `everySeconds` since it last was. */
  checkpointsDue(nowMs: number, everySeconds: number, limit: number): { readonly id: LeaseID; readonly remainingSeconds: number }[] {
    const due: { id: LeaseID; remainingSeconds: number }[] = [];
    for (const lease of this.#leases.values()) {
      if (lease.ttlSeconds <= everySeconds || lease.expiryMs === Number.POSITIVE_INFINITY) continue;
      const remainingSeconds = Math.max(1, Math.ceil((lease.expiryMs - nowMs) / 1_000));
      const written = lease.remainingSeconds > 0 ? lease.remainingSeconds : lease.ttlSeconds;
      if (remainingSeconds > written - everySeconds && remainingSeconds <= written) continue;
      if (due.length >= limit) break;
      due.push({ id: lease.id, remainingSeconds });
    }
    return due;
  }

  #setExpiry(lease: Lease, expiryMs: number): void {
    const wasDueLater = lease.expiryMs > expiryMs || lease.expiryMs === Number.POSITIVE_INFINITY;
    lease.expiryMs = expiryMs;
    // A renewal only moves the time out: the queued entry finds that when it comes up and is queued again then.
    if (wasDueLater) this.#expiries.push({ id: lease.id, dueMs: expiryMs });
  }
}
