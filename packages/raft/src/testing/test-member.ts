import { type Logger, type Random, silentLogger } from "@lenj/base";
import { decodeConfChange } from "../confchange/codec.js";
import { RaftNode } from "../core/raft-node.js";
import { raftRules, type SafetyRules } from "../core/safety-rules.js";
import { MemoryLog, type MemoryLogState } from "../log/memory-log.js";
import type { ConfState, Entry, LogIndex, MemberID, Message, RaftConfig, RaftStorage, Ready, Snapshot } from "../types.js";
import { describeEntries, describeEntry, describeMembership, describeMessage, describeText } from "./describe.js";

/** Member n always waits for electionTicks + n: long enough for leases to end before, and no two members campaign together unasked. */
const jitterByID = (id: MemberID): Random => ({
  next: () => 0,
  below: (limit) => Number(id % BigInt(limit)),
  bytes: (count) => new Uint8Array(count),
});

export interface TestMemberOptions {
  readonly config: Partial<RaftConfig>;
  readonly rules?: Partial<SafetyRules>;
  readonly log?: MemoryLogState;
}

/** Gets a line of text about whatever a member does. */
export type Narrator = (line: string) => void;

/**
 * A member that does a Ready's work at once, unless its disk is stalled: then writes pile up, unacknowledged, and a crash loses them.
 * Its state machine is the list of entries it applied.
 */
export class TestMember {
  readonly memory: MemoryLog;
  node: RaftNode;
  applied: Entry[] = [];
  /** Read points handed out, as "context@index". */
  readonly reads: string[] = [];
  isUp = true;
  isStalled = false;
  /** The snapshot for members that fell behind is not there yet. */
  isSnapshotBeingMade = false;
  #unpersisted: Ready[] = [];
  /** Index of the snapshot that the state machine was restored from or compacted to. */
  #appliedIndex: LogIndex;
  /** Membership at the applied index: a part of the state machine, as a restart needs it. */
  #membership: ConfState;
  #seen = "";

  constructor(
    readonly id: MemberID,
    readonly options: TestMemberOptions,
    readonly narrate: Narrator,
    readonly send: (message: Message) => void,
  ) {
    this.memory = new MemoryLog(options.log);
    this.#membership = this.memory.initialState().confState;
    this.#appliedIndex = this.memory.firstIndex() - 1;
    this.node = this.#createNode();
    this.#narrateRole();
  }

  /** Runs `action` on the core and does what comes of it. Nothing on a member that is down. */
  act(action: (node: RaftNode) => void): void {
    if (!this.isUp) return;
    action(this.node);
    this.pump();
  }

  pump(): void {
    while (this.isUp && this.node.hasReady()) this.#onReady(this.node.ready());
  }

  stall(): void {
    this.isStalled = true;
  }

  /** The disk works again: what piled up becomes durable, in order. */
  resume(): void {
    this.isStalled = false;
    for (const ready of this.#unpersisted.splice(0)) this.#persist(ready);
    this.pump();
  }

  /** Loses what is not durable. */
  crash(): void {
    this.isUp = false;
    this.#unpersisted = [];
  }

  restart(): void {
    this.isUp = true;
    this.isStalled = false;
    this.#unpersisted = [];
    this.#seen = "";
    this.node = this.#createNode();
    this.pump();
  }

  /** Makes a snapshot of what is applied and drops the log through `index`. */
  compact(index: LogIndex): void {
    const at = this.#appliedIndex;
    const snapshot: Snapshot = {
      metadata: { index: at, term: this.memory.term(at) ?? 0, confState: this.#membership },
      data: new Uint8Array(0),
    };
    this.memory.createSnapshot(snapshot);
    this.memory.compact(index);
  }

  /** All entries held, durable or not. */
  describeLog(): string {
    const entries = this.memory.entries(this.memory.firstIndex(), this.memory.lastIndex() + 1, Number.MAX_SAFE_INTEGER);
    return describeEntries(entries);
  }

  describeState(): string {
    if (!this.isUp) return `${this.id}: down`;
    const { role, term, commit, lastIndex, firstIndex, confState, leaderID } = this.node.status();
    const following = role === "follower" ? ` of ${leaderID === 0n ? "nobody" : leaderID}` : "";
    const compacted = firstIndex > 1 ? ` from ${firstIndex}` : "";
    return `${this.id}: ${role}${following}, term ${term}, log${compacted} ${this.describeLog()}${this.memory.lastIndex() < lastIndex ? ` (${lastIndex} in memory)` : ""}, commit ${commit}, applied ${this.#appliedIndex}, ${describeMembership(confState)}`;
  }

  #createNode(): RaftNode {
    const { memory } = this;
    const storage: RaftStorage = {
      // A restart finds the membership with the state machine, not with the log.
      initialState: () => ({ hardState: memory.initialState().hardState, confState: this.#membership }),
      firstIndex: () => memory.firstIndex(),
      lastIndex: () => memory.lastIndex(),
      term: (index) => memory.term(index),
      entries: (low, high, maxBytes) => memory.entries(low, high, maxBytes),
      snapshot: () => (this.isSnapshotBeingMade ? undefined : memory.snapshot()),
    };
    const config = { random: jitterByID(this.id), logger: this.#logger(), applied: this.#appliedIndex, ...this.options.config };
    return new RaftNode({ ...config, id: this.id, storage }, { ...raftRules, ...this.options.rules });
  }

  #onReady(ready: Ready): void {
    this.#narrateRole();
    this.#sendAll(ready.messages);
    for (const { index, context } of ready.readStates) {
      this.reads.push(`${describeText(context)}@${index}`);
      this.narrate(`${this.id}: may read ${describeText(context)} at ${index}`);
    }
    if (this.isStalled) this.#unpersisted.push(ready);
    else this.#persist(ready);
    if (ready.committedEntries.length === 0) return;
    this.narrate(`${this.id}: applies ${ready.committedEntries.map(describeEntry).join(" ")}`);
    for (const entry of ready.committedEntries) this.#apply(entry);
    this.node.onApplied(this.#appliedIndex);
  }

  #persist(ready: Ready): void {
    if (ready.snapshot !== undefined) {
      const { index, confState } = ready.snapshot.metadata;
      this.memory.applySnapshot(ready.snapshot);
      this.#appliedIndex = index;
      this.#membership = confState;
      this.narrate(`${this.id}: restores snapshot at ${index}, ${describeMembership(confState)}`);
    }
    if (ready.hardState !== undefined) this.memory.setHardState(ready.hardState);
    this.memory.append(ready.entries);
    this.#sendAll(ready.messagesAfterPersist);
    this.node.onPersisted(ready);
  }

  #apply(entry: Entry): void {
    this.applied.push(entry);
    this.#appliedIndex = entry.index;
    if (entry.type !== "confChange") return;
    this.#membership = this.node.applyConfChange(decodeConfChange(entry.data));
    this.narrate(`${this.id}: ${describeMembership(this.#membership)}`);
  }

  #sendAll(messages: readonly Message[]): void {
    const addressees = new Map<string, MemberID[]>();
    for (const message of messages) {
      const text = describeMessage(message);
      const to = addressees.get(text);
      if (to === undefined) addressees.set(text, [message.to]);
      else to.push(message.to);
      this.send(message);
    }
    for (const [text, to] of addressees) this.narrate(`${this.id}: sends ${text} → ${to.join(",")}`);
  }

  #narrateRole(): void {
    const { role, term } = this.node.status();
    const now = `${role} term ${term}`;
    const [before] = this.#seen.split(" ");
    if (this.#seen !== now && this.#seen !== "") this.narrate(`${this.id}: ${before === role ? "" : `${before} → ${role} `}term ${term}`);
    this.#seen = now;
  }

  /** What the core logs tells why; changes of role and membership are told already. */
  #logger(): Logger {
    const tell = (message: string): void => {
      if (message !== "Changed raft role" && message !== "Switched membership") this.narrate(`${this.id}: (${message})`);
    };
    return { ...silentLogger, info: tell, warn: tell };
  }
}
