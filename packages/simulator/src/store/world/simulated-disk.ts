import type { StateName } from "@lenj/proto/raft";
import {
  type DataFolder,
  isStateUnusable,
  LevelDatabase,
  noteRefilled,
  type PartialStates,
  type Quarantine,
  type QuarantineMark,
  type StorageEngine,
  type WriteOperation,
} from "@lenj/store/testing";
import type { EventLoop } from "../../world/event-loop.js";
import { type EngineHost, type Rows, SimulatedEngine, store } from "./simulated-engine.js";

interface DiskWrite {
  /** Makes the write durable. */
  readonly store: () => void;
  readonly onDone: (error: Error | undefined) => void;
}

export type DatabaseName = "state" | "log";

interface Damage {
  readonly key: string;
  readonly value: Uint8Array;
  /** What was there before, of damage that no read notices. */
  readonly unnoticed?: Uint8Array;
}

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
  /** A bit of the log was flipped: what reads it refuses to go on. */
  isLogDamaged = false;
  /** What was done to the state, as long as it is there. */
  #damage: Damage | undefined;
  #quarantine: Quarantine | undefined;
  /** Installations of whole states, and those that took the place of a damaged one. */
  installed = 0;
  refilled = 0;
  readonly mark: QuarantineMark = {
    read: () => this.#quarantine,
    write: (quarantine) => {
      this.#quarantine = quarantine;
    },
    clear: () => {
      this.#quarantine = undefined;
    },
  };

  constructor(
    readonly loop: EventLoop,
    readonly label: string,
    fsyncMs: () => number,
  ) {
    this.fsyncMs = fsyncMs;
  }

  /** Damage that is still there to be found: writes and deletions do away with it, too. */
  get isStateDamaged(): boolean {
    return this.#damage !== undefined && this.#databases.state.get(this.#damage.key) === this.#damage.value;
  }

  get isDamaged(): boolean {
    return this.isLogDamaged || this.isStateDamaged;
  }

  get hasIncoming(): boolean {
    return this.#incoming !== undefined;
  }

  folder(host: EngineHost): DataFolder {
    return {
      isQuarantined: () => isStateUnusable(this.mark),
      hasIncoming: () => this.hasIncoming,
      installIncoming: () => {
        if (this.#incoming === undefined) return;
        this.#databases.state = this.#incoming;
        this.#incoming = undefined;
        this.installed += 1;
        if (isStateUnusable(this.mark)) this.refilled += 1;
        noteRefilled(this.mark);
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
  flipBit(name: DatabaseName): string | undefined {
    const rows = this.#databases[name];
    const candidates = [...rows].filter(([, value]) => value.length > 0);
    if (candidates.length === 0) return undefined;
    const [key, value] = this.loop.pick(candidates);
    const damaged = Uint8Array.from(value);
    const at = this.loop.random.below(damaged.length);
    damaged[at] = (damaged[at] as number) ^ (1 << this.loop.random.below(8));
    rows.set(key, damaged);
    if (name === "log") this.isLogDamaged = true;
    else this.#damage = { key, value: damaged };
    return `${name} ${Buffer.from(key, "latin1").toString("hex")}`;
  }

  /** Changes a stored text, checksum included, so that no read notices. False when it is not there. */
  replaceText(before: string, after: string): boolean {
    const rows = this.#databases.state;
    for (const [name, sealed] of rows) {
      const at = Buffer.from(sealed).indexOf(before, 0, "latin1");
      if (at < 0) continue;
      const key = Buffer.from(name, "latin1");
      const value = new LevelDatabase(engineOver(rows), this.label).get(key) as Buffer;
      value.write(after, at, "latin1");
      void new LevelDatabase(engineOver(rows), this.label).write([{ type: "put", key, value }]);
      this.#damage = { key: name, value: rows.get(name) as Uint8Array, unnoticed: sealed };
      return true;
    }
    return false;
  }

  /** The state is about to be sent to another member: what no read notices would be on two of them, which no store can tell from being right. */
  onSending(): void {
    const damage = this.#damage;
    if (damage?.unnoticed === undefined || !this.isStateDamaged) return;
    this.loop.trace(`rot would spread ${this.label}`);
    this.#databases.state.set(damage.key, damage.unnoticed);
    this.#damage = undefined;
  }
}

/** Past the disk: what it is given is there at once. */
function engineOver(rows: Rows): StorageEngine {
  return {
    getSync: (key: Uint8Array) => rows.get(Buffer.from(key).toString("latin1"))?.slice(),
    batch: (operations: readonly WriteOperation[]) => {
      store(rows, operations);
      return Promise.resolve();
    },
  } as unknown as StorageEngine;
}
