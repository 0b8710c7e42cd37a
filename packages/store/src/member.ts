// One member of a cluster: its data on disk, its replica, its faces to peers and clients.
//
// Owns:  everything; opens and closes it in order.
// Not:   what is open, and when it is replaced (in-service).
// M1. The data folder carries the identity of member and cluster; data of another member or layout is refused.
// M2. Faces look up what is open at every call, so that a replaced state needs no new listeners.
import type { RequestListener } from "node:http";
import type { ClusterInfoReply } from "@lenj/proto/raft";
import type { RpcCall } from "@lenj/rpc-server";
import { checkAtStart } from "./check-at-start.js";
import type { HashReport } from "./core/compare-hashes.js";
import { StoreError, toGrpcStatus } from "./core/errors.js";
import { JWTTokens } from "./drivers/auth/jwt-tokens.js";
import { CorruptionChecker } from "./drivers/corruption-checker.js";
import { makeFolder, syncFolder } from "./drivers/durable-files.js";
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
import { InService } from "./in-service.js";
import { identifyMember } from "./join.js";
import { type Measures, type MemberParts, memberFolder, memberRecovery, type Opened, type StartParts } from "./opened.js";
import type { Recovery } from "./recovery.js";
import type { Replica } from "./replica/replica.js";
import { RequestTimes } from "./replica/request-times.js";
import { Access } from "./services/access.js";
import { type ServiceContext, storeVersion } from "./services/context.js";
import { addClientServices, type ClientService, checkCall, clientServices } from "./services/index.js";
import type { MembershipChanges } from "./services/membership-changes.js";
import { MessageCounts } from "./services/message-counts.js";
import { WorkTimes } from "./services/work-times.js";

const peerMessageBytesMax = 64 * 1024 * 1024;
/** Room for the frame around a request of the largest size. Upstream: grpcOverheadBytes. */
const requestOverheadBytes = 512 * 1024;

export class Member {
  readonly #service: InService<Opened>;
  #peerFace: Face | undefined;
  #clientFace: Face | undefined;
  readonly #streams = new Set<{ close(): void }>();
  #fail: (error: Error) => void = () => {};
  readonly failed: Promise<Error>;
  readonly #checker: CorruptionChecker;
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
    recovery: Recovery<Opened>,
    opened: Opened,
  ) {
    this.#service = new InService(
      recovery,
      {
        attach: (next) => this.#attach(next),
        closeStreams: () => {
          for (const stream of [...this.#streams]) stream.close();
        },
        fail: (error) => this.#fail(error),
      },
      opened,
    );
    this.#instruments = new StoreInstruments(parts.metrics);
    this.work = new WorkTimes(() => parts.clock.monotonicMs());
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    const { clock, logger, config } = parts;
    this.#checker = new CorruptionChecker(this, config.corruptCheckMs, clock, logger);
  }

  get #opened(): Opened {
    return this.#service.opened;
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
    return this.#service.isQuarantined;
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
    makeFolder(folder);
    const measures = { times: new RequestTimes({ ...startParts, ...config.warnings }), peerCounts: new PeerCounts() };
    const parts = { ...startParts, measures };
    const { identity, peers } = await identifyMember(config, folder, parts.logger);
    if (config.forcesNewCluster) await forceNewCluster(parts, identity);
    const recovery = memberRecovery(parts, identity);
    const opened = await recovery.openOrRefill(signal, peers);
    // The databases' own, before this member promises anything.
    syncFolder(folder);
    const member = new Member(parts, identity, recovery, await checkAtStart(opened, parts, recovery, signal));
    try {
      member.#service.start();
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
    this.#service.abort();
    this.#checker.close();
    for (const stream of [...this.#streams]) stream.close();
    await this.#clientFace?.shutDown();
    await this.#service.close();
    await this.#peerFace?.close();
  }

  localHash(revision: number): Promise<HashReport> {
    return this.#service.localHash(revision);
  }

  hashAt(id: bigint, revision: number): Promise<HashReport> {
    return this.#opened.transport.hashAt(id, revision);
  }

  quarantineAt(id: bigint, majority: HashReport): Promise<boolean> {
    return this.#opened.transport.quarantineAt(id, majority);
  }

  quarantine(majority: HashReport): Promise<boolean> {
    return this.#service.quarantine(majority);
  }

  #attach({ replica, backend, transport, leases, quota, space, versions }: Opened): void {
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
    replica.start();
    leases.start();
    quota.start();
    space.start();
    versions.start();
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
          hashAt: (revision) => this.#service.currentHash(revision),
          quarantine: (majority) => this.quarantine(majority),
          leadersState: (request) => this.#service.leadersState(request),
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
          isOutOfService: () => this.#service.isOut,
          replaceState: () => this.#replaceState(),
          signal: this.#service.closing,
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
    if (this.#service.isOut) throw new StoreError("STOPPED");
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
    if (this.#service.isOut) throw new Error("this member is being opened anew already");
    this.parts.logger.info("Replacing state by a snapshot of the leader");
    this.isReplacingState = true;
    try {
      await this.#service.reopen();
    } finally {
      this.isReplacingState = false;
    }
    this.parts.logger.info("Replaced state", { appliedIndex: this.replica.appliedIndex });
  }
}
