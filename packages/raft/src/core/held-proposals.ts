// Proposals of other members that met a leader who is handing over, or who has just stopped to lead: kept for whoever leads next.
//
// H1. A proposal is kept, or sent on, or appended, by one member only: it is appended at most once.
// H2. None is kept past `ticksMax`, nor past `bytesMax` together: it is dropped then, and its proposer's client waits until its time is up.
// H3. Membership changes are not kept: their proposer repeats them.
// No upstream counterpart: there all are dropped.
import { entriesBytes } from "../log/raft-log.js";
import type { PropMessage } from "../types.js";

/** As much as a leader takes in during a hand-over and an election, and no more than one member can easily keep. */
const bytesMax = 16 * 1024 * 1024;

export class HeldProposals {
  #held: { readonly message: PropMessage; readonly sinceTicks: number }[] = [];
  #bytes = 0;

  /** `ticksMax`: long enough for a hand-over that fails. */
  constructor(private readonly ticksMax: number) {}

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  hold(message: PropMessage, ticks: number): void {
    const bytes = entriesBytes(message.entries);
    if (this.#bytes + bytes > bytesMax || message.entries.some(({ type }) => type !== "normal")) return;
    this.#held.push({ message, sinceTicks: ticks });
    this.#bytes += bytes;
  }

  /** In the order in which they came. */
  take(ticks: number): PropMessage[] {
    const fresh = this.#held.filter(({ sinceTicks }) => ticks - sinceTicks <= this.ticksMax);
    this.#held = [];
    this.#bytes = 0;
    return fresh.map(({ message }) => message);
  }
}
