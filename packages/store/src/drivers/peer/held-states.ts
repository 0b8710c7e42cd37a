// The states that this member sends to others: views of its database, kept a while after a link broke so that the transfer can go on.
//
// Owns:  the views. While one is open, the database gives nothing back of what it shows.
// H1. A state is named by sender, a number drawn anew, and what is applied in it. The same name always stands for the same rows in the same order.
// H2. One state for each member, for `keptMs` after its last transfer ended early; a restart of the sender keeps none.
// H3. A state that the log does not continue any more is not sent again: its receiver would need another one at once.
import type { Clock, Logger, Random, Timer } from "@lenj/base";
import type { StateName } from "@lenj/proto/raft";
import type { LevelBackend } from "../level/level-backend.js";
import type { DatabaseView } from "../level/level-database.js";

/** How long a state waits for a link to come back. */
const keptMs = 120_000;
/** Names are unlikely to be drawn twice, and are exact as numbers. */
const idsMax = 2 ** 47;

export interface HeldState {
  readonly name: StateName;
  readonly view: DatabaseView;
}

export interface HeldStatesOptions {
  readonly memberID: bigint;
  readonly backend: LevelBackend;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Entries after this one are in the log. */
  readonly logBegin: () => number;
}

export class HeldStates {
  readonly #kept = new Map<bigint, { readonly held: HeldState; readonly expiry: Timer }>();

  constructor(private readonly options: HeldStatesOptions) {}

  /** The state kept for `member`, or else a new one. The caller keeps or drops it. */
  async take(member: bigint): Promise<HeldState> {
    const kept = this.#take(member);
    if (kept === undefined) return await this.#hold();
    if (kept.name.index >= this.options.logBegin()) return kept;
    this.options.logger.info("Snapshot starts over: the log has been cut past it", { peer: member.toString(16), index: kept.name.index });
    await this.drop(kept);
    return await this.#hold();
  }

  /** As `take`, but a kept one only if it has this name. */
  async takeNamed(member: bigint, name: StateName | undefined): Promise<HeldState> {
    const kept = this.#take(member);
    if (kept !== undefined && name !== undefined && isSameState(kept.name, name)) return kept;
    if (kept !== undefined) await this.drop(kept);
    return await this.#hold();
  }

  keep(member: bigint, held: HeldState): void {
    const before = this.#take(member);
    if (before !== undefined) this.#dropLater(before);
    const expiry = this.options.clock.after(keptMs, () => {
      this.#kept.delete(member);
      this.#dropLater(held);
    });
    this.#kept.set(member, { held, expiry });
  }

  drop({ view }: HeldState): Promise<void> {
    return view.close();
  }

  async close(): Promise<void> {
    for (const member of [...this.#kept.keys()]) await this.#take(member)?.view.close();
  }

  #take(member: bigint): HeldState | undefined {
    const kept = this.#kept.get(member);
    kept?.expiry.cancel();
    this.#kept.delete(member);
    return kept?.held;
  }

  async #hold(): Promise<HeldState> {
    const { backend, memberID, random } = this.options;
    await backend.flush();
    const view = backend.view();
    try {
      const { index, term } = await backend.appliedIn(view);
      return { view, name: { from: memberID, id: 1 + random.below(idsMax), index, term } };
    } catch (error) {
      await view.close();
      throw error;
    }
  }

  #dropLater(held: HeldState): void {
    this.drop(held).catch((error: unknown) => this.options.logger.warn("Cannot let go of a state", { error }));
  }
}

export function isSameState(one: StateName, other: StateName): boolean {
  return one.from === other.from && one.id === other.id && one.index === other.index && one.term === other.term;
}
