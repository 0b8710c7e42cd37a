// One simulated member: the store's real replica, state, services and lease keeper in a process that can die at any point.
//
// Owns:  the process while it runs, the way calls reach its services.
// Not:   what is open in it (opened-store); the disk's content, which outlives a crash (SimulatedDisk); links (Network).
import { type Logger, SeededRandom } from "@lenj/base";
import type { FetchStateRequest, SnapshotChunk, SnapshotReply } from "@lenj/proto/raft";
import type { ConfChange, MemberID, MemoryLog, Message, RaftNode } from "@lenj/raft";
import type { RpcCall } from "@lenj/rpc-server";
import { isStoreError, StoreError } from "@lenj/store/core";
import {
  Access,
  CorruptionChecker,
  checkCall,
  clientServices,
  forwardTo,
  type HashReport,
  InService,
  type LevelBackend,
  type PeerAddress,
  PeerCounts,
  Recovery,
  type Replica,
  type ServiceContext,
  StateReceiver,
} from "@lenj/store/testing";
import type { Network } from "../cluster/network.js";
import { Violation } from "../world/violation.js";
import { digestState } from "./checkers/state-digest.js";
import type { StoreObserver } from "./checkers/store-observer.js";
import { closeStore, clusterID, maxRequestBytes, type OpenedStore, observeReplica, openStore } from "./opened-store.js";
import type { Plant } from "./plants/plant.js";
import type { StoreOptions } from "./store-options.js";
import { SimulatedProcess, SkewedClock } from "./world/process.js";
import type { SimulatedDisk } from "./world/simulated-disk.js";
import { SimulatedStateSource } from "./world/simulated-state-source.js";

const restartAfterFailureMs = 500;
const txnOpsMax = 128;

export interface MemberServices {
  readonly network: Network;
  readonly options: StoreOptions;
  readonly observer: StoreObserver;
  readonly plant: Plant;
  readonly logger: Logger;
  readonly peerAt: (url: string) => StoreMember | undefined;
  readonly peer: (id: bigint) => StoreMember | undefined;
  /** The members that an operator would name to one that joins. */
  readonly known: () => readonly PeerAddress[];
}

/** Answers one method: request and call, or a stream. */
export type Handler = (first: unknown, second?: unknown) => unknown;

export class StoreMember {
  #process: SimulatedProcess | undefined;
  #clock: SkewedClock | undefined;
  #service: InService<OpenedStore> | undefined;
  #handlers: ReadonlyMap<string, Handler> | undefined;
  #context: ServiceContext | undefined;
  #states: StateReceiver | undefined;
  readonly #streams = new Set<{ close(): void }>();
  /** Counts starts of the process: what is served before and after one is not one session. */
  boots = 0;
  /** Streams of clients; they break when the process ends. */
  readonly connections = new Set<{ breakOff(): void }>();
  /** Of states that came and went, over all its processes. */
  readonly counts = new PeerCounts();
  /** Removed from the cluster for good. */
  isGone = false;
  /** Its log was found to be damaged: it does not start again. */
  isLost = false;

  constructor(
    readonly id: MemberID,
    readonly url: string,
    readonly disk: SimulatedDisk,
    /** What a new cluster's log begins with; empty for one that joins. */
    readonly firstMembers: readonly ConfChange[],
    readonly clockRate: number,
    readonly services: MemberServices,
  ) {}

  get isUp(): boolean {
    return this.#service?.isOut === false && this.#process?.isAlive === true;
  }

  get #opened(): OpenedStore | undefined {
    return this.#service?.opened;
  }

  get canRun(): boolean {
    return !this.isGone && !this.isLost;
  }

  get replica(): Replica | undefined {
    return this.#opened?.replica;
  }

  get node(): RaftNode | undefined {
    return this.#opened?.replica.node;
  }

  get memory(): MemoryLog | undefined {
    return this.#opened?.memoryLog;
  }

  get backend(): LevelBackend | undefined {
    return this.#opened?.backend;
  }

  get applied(): number {
    return this.#opened?.replica.appliedIndex ?? 0;
  }

  get isPaused(): boolean {
    return this.#process?.isPaused === true;
  }

  describeState(): string | undefined {
    return this.#opened === undefined || this.disk.isStateDamaged ? undefined : digestState(this.#opened.state);
  }

  start(): void {
    const { loop } = this.disk;
    if (!this.canRun || this.#process?.isAlive === true) return;
    loop.trace(`start ${this.id}`);
    const process = new SimulatedProcess(loop);
    this.boots += 1;
    this.#process = process;
    this.#clock = new SkewedClock(process, this.clockRate, loop.between(0, 1_000_000));
    this.#states = this.#createReceiver(process, this.#clock);
    this.#boot(process).catch((error: unknown) => this.#onFailed(process, error));
  }

  crash(): void {
    if (this.#process?.isAlive !== true) return;
    this.disk.loop.trace(`crash ${this.id}`);
    this.#stop(this.#process);
    this.disk.crash();
  }

  pause(ms: number): void {
    if (this.#process?.isAlive !== true) return;
    this.disk.loop.trace(`pause ${this.id} ${ms}`);
    this.#process.pause(ms);
  }

  /** Ends the process for good. */
  retire(): void {
    this.isGone = true;
    this.crash();
  }

  /** False when nobody is there to take it. */
  receive(message: Message): boolean {
    const process = this.#process;
    if (!this.isUp || process === undefined) return false;
    process.run(() => {
      const replica = this.#opened?.replica;
      if (replica?.state.members.isRemoved(message.from) !== false) return;
      replica.peers.meet({ id: message.from, peerURLs: [this.services.peer(message.from)?.url ?? ""] });
      replica.step([message]);
    });
    return true;
  }

  whenRunning(action: () => void): void {
    this.#process?.run(() => {
      if (this.#opened !== undefined) action();
    });
  }

  /** It finds that nobody listens at that member's address. */
  reportGone(id: MemberID): void {
    this.whenRunning(() => this.replica?.node.reportGone(id));
  }

  /** Runs what comes later in the process of this incarnation. */
  runner(): (action: () => void) => void {
    const process = this.#process;
    return (action) => process?.run(action);
  }

  /** Asks one of the services, as a client's connection would; false when nobody listens. */
  serve(path: string, ask: (handler: Handler, call: RpcCall) => void, refuse: (error: unknown) => void): boolean {
    const process = this.#process;
    if (process === undefined || !this.isUp) return false;
    process.run(() => {
      const handler = this.#handlers?.get(path);
      if (handler === undefined || this.#context === undefined) return;
      const call = callAt(path);
      try {
        checkCall(this.#context, call);
      } catch (error) {
        refuse(error);
        return;
      }
      ask(handler, call);
    });
    return true;
  }

  renewLease(id: bigint): Promise<number | undefined> {
    return attempt(() => this.#running().leases.localRenew(id));
  }

  leaseTimes(id: bigint): Promise<{ readonly remainingSeconds: number; readonly grantedSeconds: number } | undefined> {
    return attempt(() => this.#running().leases.localTimes(id));
  }

  promote(id: bigint): Promise<void> {
    return attempt(() => this.#running().membership.promoteHere(id));
  }

  currentHash(revision: number): Promise<HashReport> {
    return attempt(() => this.#inService().currentHash(revision));
  }

  quarantine(majority: HashReport): Promise<boolean> {
    return attempt(() => this.#inService().quarantine(majority));
  }

  /** To a member that lost its own; false when nobody listens. */
  sendState(request: FetchStateRequest, write: (chunk: SnapshotChunk) => Promise<void>, onOver: (isComplete: boolean) => void): boolean {
    const process = this.#process;
    if (process === undefined || !this.isUp) return false;
    const send = async (): Promise<void> => {
      for await (const chunk of await this.#inService().leadersState(request)) await write(chunk);
    };
    process.run(() => {
      send().then(
        () => onOver(true),
        () => onOver(false),
      );
    });
    return true;
  }

  /** A whole state of a leader, by the store's own receiver. Rejects when it did not arrive. */
  receiveState(chunks: AsyncIterable<SnapshotChunk>, reply: (reply: SnapshotReply) => void): Promise<void> {
    const process = this.#process;
    return new Promise((resolve, reject) => {
      process?.run(() => {
        const states = this.#states;
        if (states === undefined) reject(new Error("nobody listens"));
        else states.receive(chunks, reply).then(resolve, reject);
      });
    });
  }

  #createReceiver(process: SimulatedProcess, clock: SkewedClock): StateReceiver {
    const { plant } = this.services;
    return new StateReceiver({
      ...{ clusterID, clock, counts: this.counts, logger: this.services.logger },
      partials: plant.partials(this.disk.partials(process), this),
      // What it waits for ends with the process.
      signal: new AbortController().signal,
      appliedIndex: () => (plant.takesLateSnapshots ? -1 : this.applied),
      isOutOfService: () => this.#service?.isOut !== false,
      replaceState: () => this.#replaceState(),
    });
  }

  async #replaceState(): Promise<void> {
    this.disk.loop.trace(`replace state ${this.id}`);
    await this.#inService().reopen();
  }

  async #boot(process: SimulatedProcess): Promise<void> {
    const { options, network, logger, plant, peerAt } = this.services;
    const clock = this.#clock as SkewedClock;
    const recovery = new Recovery<OpenedStore>({
      ...{ clusterID, memberID: this.id, name: `${this.id}`, dataDir: this.disk.label, clock, logger },
      mark: plant.mark(this.disk.mark),
      partials: plant.partials(this.disk.partials(process), this),
      initialMembers: this.services.known(),
      hasIncoming: () => this.disk.hasIncoming,
      open: () => openStore(this, process, clock),
      close: closeStore,
      connect: (url) => new SimulatedStateSource({ asking: this, process, network, peer: peerAt(url) }),
    });
    const opened = await recovery.openOrRefill(new AbortController().signal, this.services.known());
    const owner = {
      attach: (next: OpenedStore) => this.#attach(next),
      closeStreams: () => {
        for (const stream of [...this.#streams]) stream.close();
      },
      fail: (error: Error) => this.#onFailed(process, error),
    };
    const service = new InService(recovery, owner, opened);
    this.#service = service;
    service.start();
    const checked = {
      replica: forwardTo(() => service.opened.replica),
      localHash: (revision: number) => service.localHash(revision),
      hashAt: (id: bigint, revision: number) => service.opened.transport.hashAt(id, revision),
      quarantineAt: (id: bigint, majority: HashReport) => service.opened.transport.quarantineAt(id, majority),
      quarantine: (majority: HashReport) => service.quarantine(majority),
    };
    new CorruptionChecker(checked, options.corruptCheckMs, clock, logger).start();
  }

  #attach({ replica, transport, leases }: OpenedStore): void {
    const { observer, plant } = this.services;
    transport.events = { onUnreachable: (id) => replica.reportUnreachable(id), onSnapshotSent: (id, ok) => replica.reportSnapshot(id, ok) };
    this.#handlers ??= this.#serveWith(this.#clock as SkewedClock, new SeededRandom(this.disk.loop.random.uint32()));
    observeReplica(replica, this);
    plant.onOpened(this, replica);
    observer.onRestart(this);
    replica.start();
    leases.start();
  }

  #serveWith(clock: SkewedClock, random: SeededRandom): ReadonlyMap<string, Handler> {
    const replica = forwardTo(() => this.#running().replica);
    const context: ServiceContext = {
      replica,
      backend: forwardTo(() => this.#running().backend),
      leases: forwardTo(() => this.#running().leases),
      membership: forwardTo(() => this.#running().membership),
      ...{ clock, random, txnOpsMax, maxRequestBytes },
      logger: this.services.logger,
      quotaBytes: -1,
      bcryptCost: 4,
      access: new Access({ replica, nowMs: () => clock.monotonicMs(), signedTokens: undefined, usesClientCertificates: false }),
      streams: this.#streams,
      header: (revision) => ({ clusterId: clusterID, memberId: this.id, revision, raftTerm: this.#running().replica.term }),
    };
    this.#context = context;
    const methods = clientServices(context).flatMap(({ definition, handlers }) =>
      Object.entries(definition).map(([name, { path }]) => [path, handlers[name] as Handler | undefined] as const),
    );
    return new Map(methods.filter((method): method is readonly [string, Handler] => method[1] !== undefined));
  }

  #running(): OpenedStore {
    return this.#inService().opened;
  }

  #inService(): InService<OpenedStore> {
    if (this.#service === undefined) throw new StoreError("STOPPED");
    return this.#service;
  }

  #stop(process: SimulatedProcess): void {
    process.kill();
    this.#process = undefined;
    this.#service = undefined;
    this.#handlers = undefined;
    this.#context = undefined;
    this.#states = undefined;
    this.#streams.clear();
    for (const connection of [...this.connections]) connection.breakOff();
  }

  /** The process ends itself. What a good reason for that is depends on what was done to it. */
  #onFailed(process: SimulatedProcess, error: unknown): void {
    if (!process.isAlive) return;
    const { loop } = this.disk;
    loop.trace(`failed ${this.id} ${String(error)}`);
    this.#stop(process);
    this.disk.crash();
    if (isStoreError(error, "MEMBER_NOT_FOUND")) {
      this.isGone = true;
    } else if (isOutOfSpace(error)) {
      loop.after(restartAfterFailureMs, () => this.start());
    } else if (this.disk.isLogDamaged && isStoreError(error, "DATA_DAMAGED")) {
      this.isLost = true;
    } else {
      this.services.observer.report(new Violation("Recovery", `member ${this.id} failed: ${describeError(error)}`));
    }
  }
}

function isOutOfSpace(error: unknown): boolean {
  return error instanceof Error && (error.message.includes("No space left on device") || isOutOfSpace(error.cause));
}

function describeError(error: unknown): string {
  return error instanceof Error ? `${error.message}${error.cause === undefined ? "" : ` (${describeError(error.cause)})`}` : String(error);
}

/** What `ask` returns or throws, as a promise. */
function attempt<T>(ask: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve) => resolve(ask()));
}

function callAt(path: string): RpcCall {
  return {
    path,
    metadata: { get: () => undefined },
    peer: { address: "simulated:1", commonName: undefined },
    signal: new AbortController().signal,
  };
}
