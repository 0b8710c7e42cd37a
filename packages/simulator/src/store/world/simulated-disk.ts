import type { StateName } from "@lenj/proto/raft";
import { type DataFolder, LevelDatabase, type PartialStates } from "@lenj/store/testing";
import type { EventLoop } from "../../world/event-loop.js";
import { type EngineHost, type Rows, SimulatedEngine } from "./simulated-engine.js";

interface DiskWrite {
  /** Makes the write durable. */
  readonly store: () => void;
  readonly onDone: (error: Error | undefined) => void;
}

export type DatabaseName = "state" | "log";

/**
 * A member's disk: its databases and a state that arrived from the leader. Outlives the processes that use it.
 *
 * D1. A crash decides about each write under way by itself (see SimulatedEngine).
 */
export class SimulatedDisk {
  #databases: Record<DatabaseName, Rows> = { state: new Map(), log: new Map() };
  #incoming: Rows | undefined;
  readonly #partials = new Map<string, { readonly name: StateName; readonly rows: Rows }>();
  #pending = new Set<DiskWrite>();
  /** Time of one write, fsync included. */
  fsyncMs: () => number;
  /** Writes fail while it is. */
  isFull = false;
  /** A bit was flipped here: what reads it may refuse to go on. */
  isDamaged = false;
  /** Installations of whole states. */
  installed = 0;

  constructor(
    readonly loop: EventLoop,
    readonly label: string,
    fsyncMs: () => number,
  ) {
    this.fsyncMs = fsyncMs;
  }

  folder(host: EngineHost): DataFolder {
    return {
      isQuarantined: () => false,
      hasIncoming: () => this.#incoming !== undefined,
      installIncoming: () => {
        if (this.#incoming === undefined) return;
        this.#databases.state = this.#incoming;
        this.#incoming = undefined;
        this.installed += 1;
      },
      dropIncoming: () => {
        this.#incoming = undefined;
      },
      open: (name) => {
        const rows = name === "incoming" ? (this.#incoming ?? new Map()) : this.#databases[name];
        return Promise.resolve(new LevelDatabase(new SimulatedEngine(rows, this, host), `${this.label}/${name}`));
      },
    };
  }

  /** States on their way; one that is complete is taken by the next opening. */
  partials(host: EngineHost): PartialStates {
    const keyOf = ({ from, id, index, term }: StateName): string => `${from}-${id}-${index}-${term}`;
    return {
      list: () => [...this.#partials.values()].map(({ name }) => name),
      open: (name) => {
        const partial = this.#partials.get(keyOf(name)) ?? { name, rows: new Map() };
        this.#partials.set(keyOf(name), partial);
        return Promise.resolve(new LevelDatabase(new SimulatedEngine(partial.rows, this, host), `${this.label}/incoming`));
      },
      drop: (name) => void this.#partials.delete(keyOf(name)),
      complete: (name) => {
        this.#incoming = this.#partials.get(keyOf(name))?.rows;
        this.#partials.delete(keyOf(name));
      },
    };
  }

  write(write: DiskWrite): void {
    this.#pending.add(write);
    const willFail = this.isFull;
    this.loop.after(this.fsyncMs(), () => {
      if (!this.#pending.delete(write)) return;
      if (willFail) {
        if (this.loop.chance(250)) write.store();
        write.onDone(new Error("IO error: No space left on device"));
        return;
      }
      write.store();
      write.onDone(undefined);
    });
  }

  /** Power failure. */
  crash(): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    if (this.loop.chance(500)) pending.reverse();
    for (const write of pending) if (this.loop.chance(500)) write.store();
  }

  /** Flips one bit of one stored value. Returns where, or undefined when nothing is stored. */
  flipBit(): string | undefined {
    const name: DatabaseName = this.loop.chance(500) ? "state" : "log";
    const rows = this.#databases[name];
    const candidates = [...rows].filter(([, value]) => value.length > 0);
    if (candidates.length === 0) return undefined;
    const [key, value] = this.loop.pick(candidates);
    const damaged = Uint8Array.from(value);
    const at = this.loop.random.below(damaged.length);
    damaged[at] = (damaged[at] as number) ^ (1 << this.loop.random.below(8));
    rows.set(key, damaged);
    this.isDamaged = true;
    return `${name} ${Buffer.from(key, "latin1").toString("hex")}`;
  }
}
