import { type Entry, type HardState, MemoryLog, type MemoryLogState, type Ready, type Snapshot, type Term } from "@lenj/raft";
import type { EventLoop } from "../world/event-loop.js";
import type { Checkpoint } from "./state-machine.js";

/** One atomic write. */
export interface DiskWrite {
  readonly ready?: Ready;
  /** State machine stored together with its applied index; replaces the raft snapshot. */
  readonly checkpoint?: Checkpoint;
  readonly compactTo?: number;
}

interface PendingWrite extends DiskWrite {
  readonly onDurable: () => void;
  isDropped: boolean;
}

/**
 * A member's stable storage. Writes become durable in order, each after the time of an fsync; a crash loses those under way, except that
 * some of the first of them may have made it.
 *
 * K1. What is durable only changes by whole writes, in the order they were given.
 */
export class Disk {
  #hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  #entries: Entry[] = [];
  #previous: { index: number; term: Term } = { index: 0, term: 0 };
  #checkpoint: Checkpoint | undefined;
  #pending: PendingWrite[] = [];
  #isBusy = false;
  /** Time of one fsync. */
  fsyncMs: () => number;

  constructor(
    readonly loop: EventLoop,
    options: { fsyncMs: () => number /** Changes what is stored; plants bugs. */; mangleHardState?: (hardState: HardState) => HardState },
  ) {
    this.fsyncMs = options.fsyncMs;
    this.mangleHardState = options.mangleHardState ?? ((hardState) => hardState);
  }

  readonly mangleHardState: (hardState: HardState) => HardState;

  get checkpoint(): Checkpoint | undefined {
    return this.#checkpoint;
  }

  /** What a new disk is made with. */
  format(hardState: HardState, entries: readonly Entry[]): void {
    this.#hardState = hardState;
    this.#entries = [...entries];
  }

  write(write: DiskWrite, onDurable: () => void): void {
    this.#pending.push({ ...write, onDurable, isDropped: false });
    this.#pump();
  }

  /** Power failure: nobody hears of pending writes any more. */
  crash(): void {
    const survivors = this.#pending.length === 0 ? 0 : this.loop.random.below(this.#pending.length + 1);
    this.#pending.forEach((write, i) => {
      write.isDropped = true;
      if (i < survivors) this.#store(write);
    });
    this.#pending = [];
    this.#isBusy = false;
  }

  /** The log as a restarting member reads it. */
  load(): MemoryLog {
    const snapshot = this.#raftSnapshot();
    const state: MemoryLogState = { hardState: this.#hardState, entries: this.#entries, previous: this.#previous };
    return new MemoryLog({ ...state, ...(snapshot && { snapshot, confState: snapshot.metadata.confState }) });
  }

  #raftSnapshot(): Snapshot | undefined {
    return this.#checkpoint === undefined ? undefined : { metadata: this.#checkpoint.metadata, data: this.#checkpoint.data };
  }

  #pump(): void {
    const write = this.#pending[0];
    if (this.#isBusy || write === undefined) return;
    this.#isBusy = true;
    const needsSync = write.checkpoint !== undefined || write.ready === undefined || write.ready.mustSync;
    this.loop.after(needsSync ? this.fsyncMs() : 0, () => {
      if (write.isDropped) return;
      this.#isBusy = false;
      this.#pending.shift();
      this.#store(write);
      write.onDurable();
      this.#pump();
    });
  }

  #store({ ready, checkpoint, compactTo }: DiskWrite): void {
    if (ready?.snapshot !== undefined) {
      const { metadata, data } = ready.snapshot;
      this.#checkpoint = { metadata, data };
      this.#entries = [];
      this.#previous = { index: metadata.index, term: metadata.term };
    }
    if (ready !== undefined && ready.entries.length > 0) {
      const first = (ready.entries[0] as Entry).index;
      this.#entries.length = Math.min(this.#entries.length, first - this.#previous.index - 1);
      this.#entries.push(...ready.entries);
    }
    if (ready?.hardState !== undefined) this.#hardState = this.mangleHardState(ready.hardState);
    if (checkpoint !== undefined && checkpoint.metadata.index > (this.#checkpoint?.metadata.index ?? 0)) this.#checkpoint = checkpoint;
    if (compactTo !== undefined && compactTo > this.#previous.index) {
      const dropped = compactTo - this.#previous.index;
      this.#previous = { index: compactTo, term: (this.#entries[dropped - 1] as Entry).term };
      this.#entries = this.#entries.slice(dropped);
    }
  }
}
