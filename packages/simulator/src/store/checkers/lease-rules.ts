// What holders of leases may count on.
//
// L1. A lease is not revoked for age before its time has passed since the last answered renewal was asked for, on the fastest clock there is.
// L2. A renewal that says "no such lease" is right about that: it is revoked, or its time has passed.
import type { EventLoop } from "../../world/event-loop.js";
import { Violation } from "../../world/violation.js";
import type { StoreMember } from "../store-member.js";

interface Held {
  readonly ttlMs: number;
  /** When the last renewal (or the grant) that was answered was asked for. */
  renewedMs: number;
  isRevoked: boolean;
}

export class LeaseRules {
  readonly #held = new Map<bigint, Held>();

  constructor(
    readonly loop: EventLoop,
    readonly fastestClock: number,
  ) {}

  onGranted(id: bigint, ttlSeconds: number, askedMs: number): void {
    this.#held.set(id, { ttlMs: ttlSeconds * 1_000, renewedMs: askedMs, isRevoked: false });
  }

  /** `ttlSeconds` 0: there is no such lease, the answer says. */
  onRenewed(id: bigint, ttlSeconds: number, askedMs: number): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    if (ttlSeconds > 0) held.renewedMs = Math.max(held.renewedMs, askedMs);
    else if (!held.isRevoked && !this.#mayBeOver(held))
      throw new Violation("Leases", `renewal of ${id} said that it is gone, ${this.#leftMs(held)} ms before its time`);
  }

  /** The holder gives it up, or may have. */
  onRevoke(id: bigint): void {
    const held = this.#held.get(id);
    if (held !== undefined) held.isRevoked = true;
  }

  /** A member is about to revoke it for its age. */
  onExpiry(member: StoreMember, id: bigint): void {
    const held = this.#held.get(id);
    if (held === undefined || held.isRevoked) return;
    if (!this.#mayBeOver(held))
      throw new Violation("Leases", `member ${member.id} lets ${id} expire ${this.#leftMs(held)} ms before its time`);
    held.isRevoked = true;
  }

  #leftMs(held: Held): number {
    return Math.round(held.renewedMs + held.ttlMs / this.fastestClock - this.loop.nowMs);
  }

  #mayBeOver(held: Held): boolean {
    return this.#leftMs(held) <= 0;
  }
}
