// One member at work: feeds the raft core, makes its output durable, applies what is committed, answers who waits.
//
// Owns:  the raft core, the state machine, the order of persisting and applying.
// Not:   sockets (transport, front), files (log and backend), requests that wait (proposals, read points), applying itself (applier).
// The loop is `#pump`, run once per event-loop turn in which something happened; its only suspension is between turns.
// L1. Log writes go to disk one at a time and in order; everything that arrives while one runs shares the next (group commit).
// L2. A Ready's `messagesAfterPersist` leave, and the core hears of it, only after its write is on disk.
// L3. The log is cut only below what the backend has on disk.
import { type Clock, invariant, type Logger, type Random } from "@lenj/base";
import type { WatchHub } from "@lenj/mvcc";
import type { ConfChangeContext } from "@lenj/proto/raft";
import { type ConfChange, type MemoryLog, type Message, RaftNode, type Ready, type SnapMessage } from "@lenj/raft";
import type { Answer } from "../core/answers.js";
import type { Command } from "../core/command.js";
import { StoreError } from "../core/errors.js";
import type { StateMachine } from "../core/state-machine.js";
import { type Applied, Applier } from "./applier.js";
import { CatchUp } from "./catch-up.js";
import { bestSuccessor, waitWhile } from "./hand-over.js";
import { KnownPeers } from "./known-peers.js";
import { LogStall } from "./log-stall.js";
import { LogTruncation } from "./log-truncation.js";
import type { DurableBackend, DurableLog, EntryArchive, NextTurn, PeerAddress, PeerTransport } from "./ports.js";
import { Proposals } from "./proposals.js";
import { ReadPoints } from "./read-points.js";
import type { RequestTimes } from "./request-times.js";
import { RowDropper } from "./row-dropper.js";
import { Ticker } from "./ticker.js";

/** Committed but not applied entries past which requests are refused. */
const applyLagMax = 5_000;
/** As upstream logs it before it exits. */
const removedText = "the member has been permanently removed from the cluster";

export interface ReplicaConfig {
  readonly memberID: bigint;
  readonly clusterID: bigint;
  readonly heartbeatMs: number;
  readonly electionTicks: number;
  /** A write of the log that takes longer makes a leader hand over, and any member refuse requests; an election timeout unless given. */
  readonly diskStallMs?: number;
  /** Applied entries between log truncations. */
  readonly snapshotCount: number;
  /** Entries kept behind a truncation for followers that lag a little. */
  readonly catchUpEntries: number;
  readonly maxRequestBytes: number;
  /** Whom a member that joins can answer while its state does not name it yet. */
  readonly initialPeers?: readonly PeerAddress[];
}

export interface ReplicaParts {
  readonly clock: Clock;
  readonly nextTurn: NextTurn;
  readonly random: Random;
  readonly logger: Logger;
  readonly state: StateMachine;
  readonly backend: DurableBackend;
  readonly log: DurableLog;
  readonly memoryLog: MemoryLog;
  readonly transport: PeerTransport;
  /** Where applied entries are kept besides; none unless asked for. */
  readonly archive?: EntryArchive | undefined;
  /** Told where the time of requests goes; nobody unless asked for. */
  readonly times?: RequestTimes | undefined;
  /** Applied index and term of the loaded state. */
  readonly applied: Applied;
}

export class Replica {
  readonly node: RaftNode;
  readonly watches: WatchHub;
  readonly #proposals: Proposals;
  readonly #reads: ReadPoints;
  readonly #applier: Applier;
  readonly #electionMs: number;
  #persistQueue: Ready[] = [];
  #isPersisting = false;
  readonly #truncation: LogTruncation;
  readonly dropper: RowDropper;
  readonly ticker: Ticker;
  readonly peers: KnownPeers;
  readonly stall: LogStall;
  #pumpScheduled = false;
  /** When the pump that is scheduled, or was last, was asked for. */
  #turnMs = 0;
  readonly #catchUp: CatchUp;
  #leaderID = 0n;
  #leaderSeenMs: number;
  #isLeader = false;
  #closing: Promise<void> | undefined;
  #stopped = false;
  #failure: ((error: Error) => void) | undefined;
  readonly failed: Promise<Error>;
  /** Called when this member gains or loses leadership. */
  onLeadership: (isLeader: boolean) => void = () => {};
  /** Called with each applied batch. */
  onApplied: () => void = () => {};
  /** Called with the time each write of the log took. */
  onLogWritten: (tookMs: number) => void = () => {};

  constructor(
    readonly config: ReplicaConfig,
    private readonly parts: ReplicaParts,
  ) {
    const { clock, random, state, memoryLog, applied } = parts;
    this.#electionMs = config.electionTicks * config.heartbeatMs;
    this.#truncation = new LogTruncation(config, parts);
    this.dropper = new RowDropper(state.space, clock, (error) => this.#fail(error));
    this.ticker = new Ticker({
      ...{ clock, logger: parts.logger, heartbeatMs: config.heartbeatMs, isLeader: () => this.#isLeader },
      onTick: () => {
        this.#proposals.endOverdue();
        this.stall.look();
        this.node.tick();
        if (this.node.hasReady()) this.#pump();
      },
    });
    this.stall = new LogStall({
      ...{ clock, logger: parts.logger, boundMs: config.diskStallMs ?? this.#electionMs },
      onStalled: () => void this.#askSuccessor(),
    });
    this.#leaderSeenMs = clock.monotonicMs();
    this.#proposals = new Proposals({
      ...{ clock, random, memberID: config.memberID, maxRequestBytes: config.maxRequestBytes, times: parts.times },
      ...{ heartbeatMs: config.heartbeatMs, electionMs: this.#electionMs, node: () => this.node },
      refusal: () => this.#refusal(),
      onProposed: () => {
        this.#schedulePump();
        return this.#turnMs;
      },
      nowRoughly: () => (this.#pumpScheduled ? this.#turnMs : clock.monotonicMs()),
    });
    this.#reads = new ReadPoints(
      () => this.node,
      clock,
      random,
      this.#proposals.timeoutMs,
      () => this.#schedulePump(),
    );
    this.#catchUp = new CatchUp(state.space, parts.nextTurn, (error) => this.#fail(error));
    this.watches = this.#catchUp.watches;
    this.node = new RaftNode({
      id: config.memberID,
      storage: memoryLog,
      random,
      logger: parts.logger,
      applied: applied.index,
      electionTicks: config.electionTicks,
      heartbeatTicks: 1,
    });
    const { memberID, initialPeers = [] } = config;
    this.peers = new KnownPeers({ memberID, initialPeers, members: () => state.members, transport: parts.transport });
    this.#applier = new Applier(
      {
        ...{ clock, state, memberID, node: this.node, electionMs: this.#electionMs, nextTurn: parts.nextTurn },
        ...{ backend: parts.backend, archive: parts.archive, times: parts.times },
        ...{ proposals: this.#proposals, reads: this.#reads, watches: this.watches, isLeader: () => this.#isLeader },
        onRoom: () => this.#schedulePump(),
        onMembershipChanged: (isSelfRemoved) => {
          this.peers.refresh();
          // The others are told first: a leader passes the change on and hands over.
          if (isSelfRemoved) clock.after(config.heartbeatMs, () => this.onRemoved());
        },
      },
      applied,
    );
    this.failed = new Promise((resolve) => {
      this.#failure = resolve;
    });
    parts.backend.onFailure = (error) => this.#fail(error);
    parts.backend.onDurable = () => {
      if (!this.#stopped) this.#truncation.maybeTruncate();
    };
  }

  get state(): StateMachine {
    return this.parts.state;
  }

  get appliedIndex(): number {
    return this.#applier.applied.index;
  }

  get appliedTerm(): number {
    return this.#applier.applied.term;
  }

  /** The core's current term. */
  get term(): number {
    return this.parts.memoryLog.initialState().hardState.term;
  }

  get leaderID(): bigint {
    return this.#leaderID;
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  /** Requests that wait for their entry to be applied. */
  get pendingCount(): number {
    return this.#proposals.count;
  }

  /** Requests whose outcome nobody could be told. */
  get failedCount(): number {
    return this.#proposals.failedCount;
  }

  get requestTimeoutMs(): number {
    return this.#proposals.timeoutMs;
  }

  /** How long there has been no leader, in milliseconds; 0 while there is one. */
  get leaderlessMs(): number {
    return this.#leaderID === 0n ? this.parts.clock.monotonicMs() - this.#leaderSeenMs : 0;
  }

  start(): void {
    this.ticker.start();
    this.peers.refresh();
    const voters = this.state.members.confState().voters;
    if (voters.length === 1 && voters[0] === this.config.memberID) this.node.campaign();
    this.dropper.maybeStart();
    this.#schedulePump();
  }

  /** Runs a command through the log; resolves with what came of applying it here. Rejects with StoreError; after TIMEOUT the outcome is unknown. */
  propose(command: Command): Promise<Answer> {
    if (this.#applier.backlog > applyLagMax) return Promise.reject(new StoreError("TOO_MANY_REQUESTS"));
    return this.#proposals.propose(command);
  }

  /** Runs a membership change through the log; resolves when it is applied here. Rejects with what spoke against it then, or TIMEOUT. */
  proposeMembership(changes: ConfChange["changes"], context: Omit<ConfChangeContext, "requestId">): Promise<Answer> {
    return this.#proposals.proposeMembership(changes, context);
  }

  /** How long a peer has been connected, in milliseconds; undefined while it is not. */
  connectedForMs(id: bigint): number | undefined {
    return this.parts.transport.connectedForMs(id);
  }

  /** Peers say that this member is none of theirs any more; it cannot go on. */
  onRemoved(): void {
    this.#fail(new StoreError("MEMBER_NOT_FOUND", removedText));
  }

  /** When the last read point that was released had been confirmed by the leader. To be asked right after linearizable() resolved. */
  get readConfirmedMs(): number {
    return this.#reads.confirmedMs;
  }

  /** Read points that nobody confirmed in time, and that had to be asked for again. */
  get readTroubles(): { readonly overdueCount: number; readonly retriedCount: number } {
    return this.#reads;
  }

  /** Resolves when local state is as new as anything acknowledged before the call. */
  linearizable(): Promise<void> {
    return this.#stopped ? Promise.reject(new StoreError("STOPPED")) : this.#reads.wait();
  }

  /** Resolves once rows that a compaction freed are deleted. */
  dropped(): Promise<void> {
    return this.dropper.done();
  }

  /** Messages of peers. */
  step(messages: readonly Message[]): void {
    if (this.#stopped) return;
    for (const message of messages) if (message.to === this.config.memberID) this.node.step(message);
    this.#schedulePump();
  }

  reportUnreachable(id: bigint): void {
    if (!this.#stopped) this.node.reportUnreachable(id);
  }

  reportSnapshot(id: bigint, ok: boolean): void {
    if (this.#stopped) return;
    this.node.reportSnapshot(id, ok);
    this.#schedulePump();
  }

  transferLeadership(to: bigint): void {
    this.node.transferLeadership(to);
    this.#schedulePump();
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#doClose());
  }

  async #doClose(): Promise<void> {
    if (!this.#stopped && this.#askSuccessor()) await waitWhile(() => this.#isLeader, this.#electionMs, this.parts.clock);
    this.#stop(new StoreError("STOPPED"));
    await waitWhile(() => this.#isPersisting, Number.POSITIVE_INFINITY, this.parts.clock);
  }

  /** Gives leadership away, so that the others need not wait for an election. False when there is nobody to give it to. */
  #askSuccessor(): boolean {
    const best = this.#isLeader ? bestSuccessor(this.node, this.config.memberID) : undefined;
    if (best !== undefined) this.transferLeadership(best);
    return best !== undefined;
  }

  #stop(error: Error): void {
    this.#stopped = true;
    this.ticker.close();
    this.dropper.close();
    this.#catchUp.close();
    this.#proposals.close(error);
    this.#reads.close(error);
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#stop(new StoreError("STOPPED"));
    this.#failure?.(error instanceof Error ? error : new Error(String(error)));
  }

  /** Why nothing is proposed here now: surely not proposed, so that a client may ask another member. */
  #refusal(): StoreError | undefined {
    if (this.#stopped) return new StoreError("STOPPED");
    return this.stall.isStalled ? new StoreError("NO_LEADER") : undefined;
  }

  #schedulePump(): void {
    if (this.#pumpScheduled || this.#stopped) return;
    this.#pumpScheduled = true;
    this.#turnMs = this.parts.clock.monotonicMs();
    this.parts.nextTurn(() => {
      this.#pumpScheduled = false;
      if (!this.#stopped) this.#pump();
    });
  }

  #pump(): void {
    try {
      this.#reads.maybeAsk();
      while (this.node.hasReady()) this.#takeReady(this.node.ready());
      this.#apply();
      this.#persist();
    } catch (error) {
      this.#fail(error);
    }
  }

  #takeReady(ready: Ready): void {
    if (ready.softState !== undefined) this.#onSoftState(ready.softState);
    this.#send(ready.messages);
    if (ready.readStates.length > 0) {
      this.#reads.onReadStates(ready.readStates);
      this.#reads.onApplied(this.appliedIndex);
    }
    this.#applier.add(ready.committedEntries);
    this.#persistQueue.push(ready);
  }

  /** One write for all that waits; without anything to write, only the bookkeeping. */
  #persist(): void {
    if (this.#isPersisting || this.#persistQueue.length === 0) return;
    const batch = this.#persistQueue;
    this.#persistQueue = [];
    const snapshot = batch.find((ready) => ready.snapshot !== undefined)?.snapshot;
    invariant(snapshot === undefined, () => "a snapshot came without its data");
    const needsWrite = batch.some((ready) => ready.mustSync || ready.entries.length > 0);
    if (!needsWrite) {
      this.#onPersisted(batch);
      return;
    }
    this.#isPersisting = true;
    const startedMs = this.parts.clock.monotonicMs();
    this.parts.times?.onWriteStarted(batch, startedMs);
    this.stall.onWriteStarted(startedMs);
    this.parts.log.append(batch.map((ready) => ({ hardState: ready.hardState, entries: ready.entries }))).then(
      () => {
        this.#isPersisting = false;
        const endedMs = this.parts.clock.monotonicMs();
        this.parts.times?.onWriteEnded(endedMs);
        this.stall.onWriteEnded(endedMs);
        this.onLogWritten(endedMs - startedMs);
        if (this.#stopped) return;
        this.#onPersisted(batch);
        this.#pump();
      },
      (error: unknown) => {
        this.#isPersisting = false;
        this.#fail(new StoreError("DATA_DAMAGED", "Cannot write the raft log", { cause: error }));
      },
    );
  }

  #onPersisted(batch: readonly Ready[]): void {
    for (const ready of batch) {
      if (ready.hardState !== undefined) this.parts.memoryLog.setHardState(ready.hardState);
      this.parts.memoryLog.append(ready.entries);
      this.#send(ready.messagesAfterPersist);
      this.node.onPersisted(ready);
    }
    if (this.node.hasReady()) this.#schedulePump();
  }

  #send(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    const snapshots = messages.filter((message): message is SnapMessage => message.type === "snap");
    for (const message of snapshots) this.parts.transport.sendSnapshot(message);
    this.parts.transport.send(snapshots.length === 0 ? messages : messages.filter((message) => message.type !== "snap"));
  }

  #onSoftState(soft: { readonly leaderID: bigint; readonly role: string }): void {
    const isLeader = soft.role === "leader";
    if (soft.leaderID !== this.#leaderID) {
      if (this.#leaderID !== 0n) this.#leaderSeenMs = this.parts.clock.monotonicMs();
      this.#leaderID = soft.leaderID;
      if (soft.leaderID !== 0n) {
        this.#reads.onLeaderChanged();
        this.#proposals.onLeaderKnown();
      }
      this.parts.logger.info("Leader changed", { leader: soft.leaderID.toString(16) });
    }
    if (isLeader !== this.#isLeader) {
      this.#isLeader = isLeader;
      if (!isLeader) this.state.leases.demote();
      this.onLeadership(isLeader);
    }
  }

  #apply(): void {
    if (!this.#applier.run()) return;
    this.dropper.maybeStart();
    this.onApplied();
    if (this.node.hasReady()) this.#schedulePump();
  }
}
