// One member of a cluster: its data on disk, its replica, its faces to peers and clients.
//
// Owns:  everything; opens and closes it in order, and replaces the state when a whole one arrived from the leader.
// M1. The data folder carries the identity of member and cluster; data of another member or layout is refused.
// M2. A member whose state is found damaged is quarantined: it hands over, answers nobody, and opens anew on the leader's state (recovery.ts).
// M3. `opened` is replaced as a whole; faces look it up at every call, so that a replaced state needs no new listeners.

import { mkdirSync } from "node:fs";
import type { RequestListener } from "node:http";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { ClusterInfoReply, FetchStateRequest, SnapshotChunk } from "@lenj/proto/raft";
import type { RpcCall } from "@lenj/rpc-server";
import type { HashReport } from "./core/compare-hashes.js";
import { StoreError, toGrpcStatus } from "./core/errors.js";
import { JWTTokens } from "./drivers/auth/jwt-tokens.js";
import { CorruptionChecker } from "./drivers/corruption-checker.js";
import { Face } from "./drivers/face.js";
import { type ClientHTTPOptions, clientHTTP } from "./drivers/http/client-http.js";
import { Gateway } from "./drivers/http/gateway.js";
import { StoreInstruments } from "./drivers/http/store-instruments.js";
import type { LeaseKeeper } from "./drivers/lease-keeper.js";
import type { LevelBackend } from "./drivers/level/level-backend.js";
import type { LevelLog } from "./drivers/level/level-log.js";
import { PeerCounts } from "./drivers/peer/peer-counts.js";
import { peerService, peerServiceDefinition, toPeerStatus } from "./drivers/peer/peer-service.js";
import { partialStates } from "./drivers/peer/snapshot-files.js";
import { StateReceiver } from "./drivers/peer/state-receiver.js";
import type { QuotaKeeper } from "./drivers/quota-keeper.js";
import { forceNewCluster } from "./force-new-cluster.js";
import { forwardTo } from "./forward-to.js";
import type { Identity } from "./identity.js";
import { identifyMember } from "./join.js";
import { closeOpened, type Measures, type MemberParts, memberFolder, type Opened, type StartParts } from "./opened.js";
import { clearQuarantine, readQuarantine } from "./quarantine.js";
import { checkAtStart, differs, openOrRefill, quarantineMark } from "./recovery.js";
import type { Replica } from "./replica/replica.js";
import { RequestTimes } from "./replica/request-times.js";
import { Access } from "./services/access.js";
import { type ServiceContext, storeVersion } from "./services/context.js";
import { hashKeySpace } from "./services/data-hash.js";
import { addClientServices, type ClientService, checkCall, clientServices } from "./services/index.js";
import type { MembershipChanges } from "./services/membership-changes.js";
import { MessageCounts } from "./services/message-counts.js";
import { WorkTimes } from "./services/work-times.js";

const peerMessageBytesMax = 64 * 1024 * 1024;
/** Room for the frame around a request of the largest size. Upstream: grpcOverheadBytes. */
const requestOverheadBytes = 512 * 1024;
const finishRetryMs = 1_000;

export class Member {
  #opened: Opened;
  #peerFace: Face | undefined;
  #clientFace: Face | undefined;
  readonly #streams = new Set<{ close(): void }>();
  #fail: (error: Error) => void = () => {};
  readonly failed: Promise<Error>;
  readonly #closing = new AbortController();
  readonly #checker: CorruptionChecker;
  /** Runs while this member is out of service; settles when it is back or has failed. */
  #recovery: Promise<void> | undefined;
  #isOpen = true;
  #published = false;
  leaderChanges = 0;
  /** A whole state of the leader is being put in place. */
  isReplacingState = false;
  readonly #instruments: StoreInstruments;
  readonly work: WorkTimes;
  readonly messages = new MessageCounts();

  private constructor(
    readonly parts: MemberParts,
    readonly identity: Identity,
    opened: Opened,
  ) {
    this.#opened = opened;
    this.#instruments = new StoreInstruments(parts.metrics);
    this.work = new WorkTimes(() => parts.clock.monotonicMs());
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    const { clock, logger, config } = parts;
    this.#checker = new CorruptionChecker(this, config.corruptCheckMs, clock, logger);
  }

  get replica(): Replica {
    return this.#opened.replica;
  }

  /** Streams that clients have open. */
  get openStreams(): number {
    return this.#streams.size;
  }

  get quota(): QuotaKeeper {
    return this.#opened.quota;
  }

  /** Its data is known to be damaged and not replaced yet. */
  get isQuarantined(): boolean {
    return readQuarantine(memberFolder(this.parts.config)) !== undefined;
  }

  get backend(): LevelBackend {
    return this.#opened.backend;
  }

  get log(): LevelLog {
    return this.#opened.log;
  }

  get leases(): LeaseKeeper {
    return this.#opened.leases;
  }

  get membership(): MembershipChanges {
    return this.#opened.membership;
  }

  get measures(): Measures {
    return this.parts.measures;
  }

  /** Opens the data and listens to peers and clients. `signal` ends the wait for a leader's state, where one is needed. */
  static async start(startParts: StartParts, signal: AbortSignal): Promise<Member> {
    const { config } = startParts;
    const folder = memberFolder(config);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const measures = { times: new RequestTimes({ ...startParts, ...config.warnings }), peerCounts: new PeerCounts() };
    const parts = { ...startParts, measures };
    const { identity, peers } = await identifyMember(config, folder, parts.logger);
    if (config.forcesNewCluster) await forceNewCluster(parts, identity);
    const opened = await openOrRefill(parts, identity, signal, peers);
    const member = new Member(parts, identity, await checkAtStart(opened, parts, identity, signal));
    try {
      member.#attach();
      await member.#listenToPeers();
      await member.#listenToClients();
      member.#checker.start();
    } catch (error) {
      await member.close();
      throw error;
    }
    return member;
  }

  async close(): Promise<void> {
    this.#closing.abort(new StoreError("STOPPED"));
    this.#checker.close();
    for (const stream of [...this.#streams]) stream.close();
    await this.#clientFace?.shutDown();
    await this.#recovery?.catch(() => {});
    if (this.#isOpen) await closeOpened(this.#opened);
    await this.#peerFace?.close();
  }

  async localHash(revision: number): Promise<HashReport> {
    const { backend, replica } = this.#opened;
    return { memberID: this.identity.memberID, ...(await hashKeySpace(backend, replica.state.space, revision)) };
  }

  hashAt(id: bigint, revision: number): Promise<HashReport> {
    return this.#opened.transport.hashAt(id, revision);
  }

  quarantineAt(id: bigint, majority: HashReport): Promise<boolean> {
    return this.#opened.transport.quarantineAt(id, majority);
  }

  /** Takes this member out of service if its data differs from the majority's, until it has the leader's state. Returns whether it does. */
  async quarantine(majority: HashReport): Promise<boolean> {
    if (this.#recovery !== undefined) return true;
    const own = await this.localHash(majority.hashRevision);
    if (!differs(own, majority)) return false;
    this.#quarantine(
      `its hash at revision ${own.hashRevision} is ${own.hash}, that of most members ${majority.hash} (compacted at ${own.compactRevision})`,
    );
    return true;
  }

  #attach(): void {
    const { replica, backend, transport, leases, quota, space, versions } = this.#opened;
    backend.database.onDamaged = (error) => this.#quarantine(error.message);
    transport.events = {
      onUnreachable: (id) => replica.reportUnreachable(id),
      onGone: (id) => replica.node.reportGone(id),
      onSnapshotSent: (id, ok) => replica.reportSnapshot(id, ok),
      onRemoved: () => replica.onRemoved(),
    };
    replica.onLeadership = () => {
      this.leaderChanges += 1;
    };
    replica.onApplied = () => this.#publish();
    replica.onLogWritten = (tookMs) => this.#instruments.onLogWritten(tookMs);
    backend.onWritten = (tookMs) => this.#instruments.onStateWritten(tookMs);
    replica.failed
      .then((error) => {
        if (this.#recovery === undefined) this.#fail(error);
      })
      .catch(() => {});
    replica.start();
    leases.start();
    quota.start();
    space.start();
    versions.start();
    if (this.isQuarantined) this.#finishRefill();
  }

  /** The damage is known: nothing more is answered from here until the state is the leader's. */
  #quarantine(reason: string): void {
    if (this.#recovery !== undefined || this.#closing.signal.aborted) return;
    const { replica } = this.#opened;
    const known = replica.state.members.list().map(({ id, peerUrls: peerURLs }) => ({ id, peerURLs }));
    try {
      quarantineMark(this.parts, this.identity, reason, known);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#reopen().catch(() => {});
  }

  /** Out of service until the data is open again, on what came in meanwhile if that is better. What cannot be opened ends the member. */
  #reopen(): Promise<void> {
    this.#recovery ??= this.#doReopen().then(
      () => {
        this.#recovery = undefined;
      },
      (error: unknown) => {
        if (!this.#closing.signal.aborted) this.#fail(error as Error);
        throw error;
      },
    );
    return this.#recovery;
  }

  async #doReopen(): Promise<void> {
    for (const stream of [...this.#streams]) stream.close();
    await closeOpened(this.#opened);
    this.#isOpen = false;
    const opened = await openOrRefill(this.parts, this.identity, this.#closing.signal);
    // Streams that began meanwhile hang on the state that is gone.
    for (const stream of [...this.#streams]) stream.close();
    this.#opened = opened;
    this.#isOpen = true;
    this.#attach();
  }

  /** The state is the leader's: nothing speaks against this member any more. */
  #finishRefill(): void {
    const { replica } = this.#opened;
    const { config, clock, logger } = this.parts;
    const { memberID } = this.identity;
    const { AlarmRequest_AlarmAction: AlarmAction, AlarmType } = etcdserverpb;
    const finish = async (): Promise<void> => {
      await replica.linearizable();
      if (replica.state.alarms.list(AlarmType.CORRUPT).some((alarm) => alarm.memberID === memberID))
        await replica.propose({ alarm: { action: AlarmAction.DEACTIVATE, memberID, alarm: AlarmType.CORRUPT } });
      clearQuarantine(memberFolder(config));
      logger.info("Back from quarantine", { member: memberID.toString(16), name: config.name, appliedIndex: replica.appliedIndex });
    };
    finish().catch(() => {
      clock.after(finishRetryMs, () => {
        if (replica === this.replica && !this.#closing.signal.aborted) this.#finishRefill();
      });
    });
  }

  /** Only a leader that others confirm gives its state away. */
  async #leadersState(request: FetchStateRequest): Promise<AsyncIterable<SnapshotChunk>> {
    const { replica, transport } = this.#opened;
    if (!replica.isLeader) throw new StoreError("NOT_LEADER");
    await replica.linearizable();
    return transport.stateFor(request);
  }

  /** Tells the cluster this member's name and client addresses, once it is a member of it. */
  #publish(): void {
    const { replica } = this.#opened;
    const { config, logger, clock } = this.parts;
    const own = replica.state.members.get(this.identity.memberID);
    if (this.#published || own === undefined || replica.leaderID === 0n) return;
    if (own.name === config.name && own.clientUrls.join() === config.advertiseClientURLs.join()) {
      this.#published = true;
      return;
    }
    this.#published = true;
    const memberAttributes = { name: config.name, clientUrls: [...config.advertiseClientURLs] };
    replica.propose({ clusterMemberAttrSet: { memberID: this.identity.memberID, memberAttributes } }).then(
      () => logger.info("Published name and client URLs", { name: config.name }),
      () => {
        clock.after(1_000, () => {
          this.#published = false;
          this.#publish();
        });
      },
    );
  }

  async #listenToPeers(): Promise<void> {
    const { config, clock, logger } = this.parts;
    const face = new Face({
      urls: config.listenPeerURLs,
      driver: config.grpcDriver,
      tls: config.peerTLS,
      receiveBytesMax: peerMessageBytesMax,
      toStatus: toPeerStatus,
      clock,
      logger,
    });
    this.#peerFace = face;
    face.driver.addService(
      peerServiceDefinition,
      peerService(
        {
          ...this.identity,
          counts: this.measures.peerCounts,
          nowMs: () => clock.monotonicMs(),
          hashAt: async (revision) => {
            await this.replica.linearizable();
            return this.localHash(revision);
          },
          quarantine: (majority) => this.quarantine(majority),
          leadersState: (request) => this.#leadersState(request),
          appliedIndex: () => this.replica.appliedIndex,
          isRemoved: (id) => this.replica.state.members.isRemoved(id),
          step: (messages) => this.replica.step(messages),
          meet: (peer) => this.replica.peers.meet(peer),
          clusterInfo: () => this.#clusterInfo(),
          promote: (id) => this.#opened.membership.promoteHere(id),
          localRenew: (id) => this.#opened.leases.localRenew(id),
          localTimes: (id) => this.#opened.leases.localTimes(id),
        },
        new StateReceiver({
          ...{ clusterID: this.identity.clusterID, counts: this.measures.peerCounts, clock, logger },
          partials: partialStates(memberFolder(config)),
          appliedIndex: () => this.replica.appliedIndex,
          isOutOfService: () => this.#recovery !== undefined,
          replaceState: () => this.#replaceState(),
          signal: this.#closing.signal,
        }),
        logger,
      ),
    );
    await face.listen();
  }

  #clusterInfo(): ClusterInfoReply {
    const { members, version } = this.replica.state;
    return {
      clusterId: this.identity.clusterID,
      memberId: this.identity.memberID,
      members: members.list(),
      removedIds: members.removedIDs(),
      serverVersion: storeVersion,
      clusterVersion: version.version,
    };
  }

  async #listenToClients(): Promise<void> {
    const { config, clock, logger } = this.parts;
    const context = this.#serviceContext();
    const services = clientServices(context);
    const face = new Face({
      urls: config.listenClientURLs,
      driver: config.grpcDriver,
      tls: config.clientTLS,
      receiveBytesMax: config.maxRequestBytes + requestOverheadBytes,
      toStatus: toGrpcStatus,
      onCall: (call) => {
        this.#instruments.onCall(call);
        this.#checkCall(context, call);
      },
      onDone: (path, code, tookMs) => this.#instruments.onDone(path, code, tookMs),
      onHttp1: clientHTTP({
        ...this.#httpParts(context.replica),
        ...(config.servesGateway ? { gateway: this.#gateway(context, services) } : {}),
      }),
      keepAlive: config.keepAlive,
      concurrentStreamsMax: config.concurrentStreamsMax,
      clock,
      logger,
    });
    this.#clientFace = face;
    addClientServices(face.driver, services);
    await face.listen();
  }

  /** Health, version and metrics, for addresses that serve nothing else. */
  get metricsHTTP(): RequestListener {
    return clientHTTP(this.#httpParts(forwardTo(() => this.#opened.replica)));
  }

  #httpParts(replica: Replica): ClientHTTPOptions {
    return {
      replica,
      web: this.parts.config.web,
      metrics: this.parts.metrics,
      onHealth: (isHealthy) => this.#instruments.onHealth(isHealthy),
    };
  }

  #gateway(context: ServiceContext, services: readonly ClientService[]): Gateway {
    return new Gateway({
      services,
      toStatus: toGrpcStatus,
      onCall: (call) => this.#checkCall(context, call),
      bodyBytesMax: this.parts.config.maxRequestBytes + requestOverheadBytes,
    });
  }

  #checkCall(context: ServiceContext, call: RpcCall): void {
    if (this.#recovery !== undefined) throw new StoreError("STOPPED");
    checkCall(context, call);
  }

  #serviceContext(): ServiceContext {
    const { config, clock, random, logger } = this.parts;
    const header = (revision: number): ReturnType<ServiceContext["header"]> => ({
      clusterId: this.identity.clusterID,
      memberId: this.identity.memberID,
      revision,
      raftTerm: this.replica.term,
    });
    const replica = forwardTo(() => this.#opened.replica);
    const { token, bcryptCost } = config.auth;
    const access = new Access({
      replica,
      nowMs: () => clock.monotonicMs(),
      signedTokens: token.kind === "jwt" ? JWTTokens.fromFiles(token, clock) : undefined,
      usesClientCertificates: config.usesClientCertificates,
    });
    return {
      replica,
      backend: forwardTo(() => this.#opened.backend),
      leases: forwardTo(() => this.#opened.leases),
      membership: forwardTo(() => this.#opened.membership),
      ...{ clock, random, logger, header, times: this.measures.times, work: this.work, messages: this.messages },
      txnOpsMax: config.txnOpsMax,
      maxRequestBytes: config.maxRequestBytes,
      quotaBytes: config.quotaBytes,
      watchProgressMs: config.watchProgressMs,
      ...{ bcryptCost, access },
      streams: this.#streams,
    };
  }

  /** A whole state arrived: everything is opened anew on it. Watches end; clients resume them from where they were. */
  async #replaceState(): Promise<void> {
    if (this.#recovery !== undefined) throw new Error("this member is being opened anew already");
    this.parts.logger.info("Replacing state by a snapshot of the leader");
    this.isReplacingState = true;
    try {
      await this.#reopen();
    } finally {
      this.isReplacingState = false;
    }
    this.parts.logger.info("Replaced state", { appliedIndex: this.replica.appliedIndex });
  }
}
