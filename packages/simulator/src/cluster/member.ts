// One simulated member: a real raft core, a disk that forgets, a state machine.
//
// Owns:  the core while it runs, its in-memory log, commands and reads waiting for an answer.
// Not:   the disk's content, which outlives a crash.
// S1. A Ready's work is done in the order the core asks for: send, persist, send the rest and acknowledge, apply.
// S2. After a crash nothing of the old incarnation runs any more: each callback checks its incarnation.

import { SeededRandom } from "@lenj/base";
import { decodeConfChange, type Entry, type MemberID, type MemoryLog, type Message, RaftNode, type Ready } from "@lenj/raft";
import { raftRules, type SafetyRules } from "@lenj/raft/testing";
import type { SimulationOptions } from "../options.js";
import type { EventLoop } from "../world/event-loop.js";
import type { Disk } from "./disk.js";
import type { Network } from "./network.js";
import { type Command, type CommandResult, decodeCommand, encodeCommand, KeyValueMachine } from "./state-machine.js";

/** Sees what members do; throws a Violation when a guarantee is broken. */
export interface MemberObserver {
  onRestart(member: Member): void;
  onReady(member: Member, ready: Ready): void;
  onMessageSent(member: Member, message: Message): void;
  onApplied(member: Member, entry: Entry): void;
  onSnapshotRestored(member: Member, index: number, state: string): void;
}

/** Bugs that a test may plant. */
export interface PlantedBugs {
  readonly rules?: Partial<SafetyRules>;
  /** Restarting members have forgotten whom they voted for. */
  readonly forgetVote?: boolean;
  /** Reads are served from the local state. */
  readonly staleReads?: boolean;
  /** What waits for the disk is sent without waiting. */
  readonly answerBeforePersist?: boolean;
  /** A restart applies the last entry of the checkpoint again. */
  readonly replayOneTooMany?: boolean;
}

export interface MemberServices {
  readonly loop: EventLoop;
  readonly network: Network;
  readonly options: SimulationOptions;
  readonly observer: MemberObserver;
  readonly bugs: PlantedBugs;
}

interface Running {
  readonly node: RaftNode;
  readonly memory: MemoryLog;
  readonly machine: KeyValueMachine;
  readonly commands: Map<number, (result: CommandResult) => void>;
  readonly reads: Map<number, { key: string; index: number | undefined; done: (value: number | undefined) => void }>;
  applied: number;
  checkpointIndex: number;
  isPaused: boolean;
  readonly inbox: Message[];
}

export class Member {
  #running: Running | undefined;
  incarnation = 0;

  constructor(
    readonly id: MemberID,
    readonly disk: Disk,
    readonly services: MemberServices,
  ) {}

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  get node(): RaftNode | undefined {
    return this.#running?.node;
  }

  get memory(): MemoryLog | undefined {
    return this.#running?.memory;
  }

  get applied(): number {
    return this.#running?.applied ?? 0;
  }

  describeState(): string {
    return this.#running?.machine.describe() ?? "down";
  }

  start(): void {
    const { loop, options, bugs, observer } = this.services;
    this.incarnation += 1;
    const memory = this.disk.load();
    const machine = new KeyValueMachine();
    const { checkpoint } = this.disk;
    if (checkpoint !== undefined) machine.restore(checkpoint);
    const checkpointIndex = checkpoint?.metadata.index ?? 0;
    const isReplaying = bugs.replayOneTooMany === true && checkpointIndex >= memory.firstIndex();
    const applied = isReplaying ? checkpointIndex - 1 : checkpointIndex;
    const node = new RaftNode(
      {
        id: this.id,
        storage: memory,
        random: new SeededRandom(loop.random.uint32()),
        applied,
        preVote: options.preVote,
        checkQuorum: options.checkQuorum,
        maxSizePerMessageBytes: options.maxSizePerMessageBytes,
        maxInflightMessages: options.maxInflightMessages,
      },
      { ...raftRules, ...bugs.rules },
    );
    this.#running = { node, memory, machine, commands: new Map(), reads: new Map(), applied, checkpointIndex, isPaused: false, inbox: [] };
    observer.onRestart(this);
    loop.trace(`start ${this.id}`);
    this.#tick(this.incarnation, loop.between(85, 115));
    this.#pump();
  }

  crash(): void {
    if (this.#running === undefined) return;
    this.services.loop.trace(`crash ${this.id}`);
    this.#running = undefined;
    this.incarnation += 1;
    this.disk.crash();
  }

  /** The process is not scheduled for `ms`; messages queue up. */
  pause(ms: number): void {
    const running = this.#running;
    if (running === undefined || running.isPaused) return;
    running.isPaused = true;
    this.services.loop.trace(`pause ${this.id} ${ms}`);
    this.#after(ms, () => {
      running.isPaused = false;
      for (const message of running.inbox.splice(0)) this.#step(running, message);
    });
  }

  /** False when the member is down. */
  receive(message: Message): boolean {
    const running = this.#running;
    if (running === undefined) return false;
    if (running.isPaused) running.inbox.push(message);
    else this.#step(running, message);
    return true;
  }

  /** Runs `action` on the core, then does what it asks for. */
  act(action: (node: RaftNode) => void): void {
    const running = this.#running;
    if (running === undefined || running.isPaused) return;
    action(running.node);
    this.#pump();
  }

  /** It finds that nobody listens at that member's address. */
  reportGone(id: MemberID): void {
    this.act((node) => node.reportGone(id));
  }

  /** False when the command was certainly not taken. Otherwise `done` is called if and when it is applied here. */
  propose(command: Command, done: (result: CommandResult) => void): boolean {
    const running = this.#running;
    if (running === undefined || running.isPaused) return false;
    const outcome = running.node.propose(encodeCommand(command));
    const accepted = outcome === "appended" || outcome === "forwarded";
    if (accepted) running.commands.set(command.id, done);
    this.#pump();
    return accepted;
  }

  /** A linearizable read; `done` may never be called. */
  read(id: number, key: string, done: (value: number | undefined) => void): boolean {
    const running = this.#running;
    if (running === undefined || running.isPaused) return false;
    if (this.services.bugs.staleReads === true) {
      done(running.machine.get(key));
      return true;
    }
    const context = new Uint8Array(4);
    new DataView(context.buffer).setUint32(0, id);
    if (running.node.readIndex(context) !== "accepted") return false;
    running.reads.set(id, { key, index: undefined, done });
    this.#pump();
    return true;
  }

  #tick(incarnation: number, everyMs: number): void {
    this.services.loop.after(everyMs, () => {
      if (this.incarnation !== incarnation) return;
      this.act((node) => node.tick());
      this.#tick(incarnation, everyMs);
    });
  }

  #step(running: Running, message: Message): void {
    if (this.#running !== running) return;
    running.node.step(message);
    this.#pump();
  }

  #after(ms: number, run: () => void): void {
    const { incarnation } = this;
    this.services.loop.after(ms, () => {
      if (this.incarnation === incarnation) run();
    });
  }

  #pump(): void {
    const running = this.#running;
    while (running !== undefined && running === this.#running && running.node.hasReady()) this.#onReady(running, running.node.ready());
  }

  #onReady(running: Running, ready: Ready): void {
    const { incarnation } = this;
    this.services.observer.onReady(this, ready);
    this.#send(ready.messages);
    const isEager = this.services.bugs.answerBeforePersist === true;
    if (isEager) this.#send(ready.messagesAfterPersist);
    for (const { index, context } of ready.readStates) {
      const read = running.reads.get(new DataView(context.buffer, context.byteOffset).getUint32(0));
      if (read !== undefined) read.index = index;
    }
    this.#answerReads(running);
    this.disk.write({ ready }, () => {
      if (this.incarnation !== incarnation) return;
      this.#onPersisted(running, ready, isEager);
    });
    if (ready.committedEntries.length > 0) {
      const { applyMs } = this.services.options;
      if (applyMs === 0) this.#apply(running, ready.committedEntries);
      else this.#after(applyMs, () => this.#apply(running, ready.committedEntries));
    }
  }

  #onPersisted(running: Running, ready: Ready, alreadySent: boolean): void {
    const { memory, machine } = running;
    if (ready.snapshot !== undefined) {
      memory.applySnapshot(ready.snapshot);
      machine.restore(ready.snapshot);
      running.applied = ready.snapshot.metadata.index;
      running.checkpointIndex = running.applied;
      this.services.observer.onSnapshotRestored(this, running.applied, machine.describe());
    }
    if (ready.hardState !== undefined) memory.setHardState(ready.hardState);
    memory.append(ready.entries);
    if (!alreadySent) this.#send(ready.messagesAfterPersist);
    running.node.onPersisted(ready);
    this.#pump();
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      this.services.observer.onMessageSent(this, message);
      if (message.type !== "snap") {
        this.services.network.send(message);
        continue;
      }
      const { incarnation } = this;
      this.services.network.send(message, (arrived) => {
        if (this.incarnation === incarnation) this.act((node) => node.reportSnapshot(message.to, arrived));
      });
    }
  }

  #apply(running: Running, entries: readonly Entry[]): void {
    for (const entry of entries) {
      // A snapshot may have overtaken what was on its way here.
      if (entry.index <= running.applied) continue;
      this.services.observer.onApplied(this, entry);
      running.applied = entry.index;
      if (entry.type === "confChange") running.node.applyConfChange(decodeConfChange(entry.data));
      else if (entry.data.length > 0) this.#applyCommand(running, decodeCommand(entry.data));
    }
    running.node.onApplied(running.applied);
    this.#maybeCheckpoint(running);
    this.#answerReads(running);
    // Asynchronous applying comes from the loop, outside of #pump.
    if (this.services.options.applyMs > 0) this.#pump();
  }

  #applyCommand(running: Running, command: Command): void {
    const result = running.machine.apply(command);
    const done = running.commands.get(command.id);
    running.commands.delete(command.id);
    done?.(result);
  }

  #answerReads(running: Running): void {
    for (const [id, read] of running.reads) {
      if (read.index === undefined || read.index > running.applied) continue;
      running.reads.delete(id);
      read.done(running.machine.get(read.key));
    }
  }

  #maybeCheckpoint(running: Running): void {
    const { snapshotEvery, keepEntries } = this.services.options;
    const { applied, memory, node, machine } = running;
    if (applied - running.checkpointIndex < snapshotEvery) return;
    running.checkpointIndex = applied;
    const metadata = { index: applied, term: memory.term(applied) as number, confState: node.status().confState };
    const checkpoint = { metadata, data: machine.encode() };
    const compactTo = applied - keepEntries;
    const { incarnation } = this;
    this.disk.write({ checkpoint, compactTo }, () => {
      if (this.incarnation !== incarnation) return;
      memory.createSnapshot(checkpoint);
      memory.compact(Math.min(compactTo, checkpoint.metadata.index));
    });
  }
}
