// One member of a cluster: its data on disk, its replica, its faces to peers and clients.
//
// Owns:  everything; opens and closes it in order, and replaces the state when a whole one arrived from the leader.
// M1. The data folder carries the identity of member and cluster; data of another member or layout is refused.
// M2. `opened` is replaced as a whole; faces look it up at every call, so that a replaced state needs no new listeners.

import { mkdirSync } from "node:fs";
import type { RequestListener } from "node:http";
import type { Clock, Logger, Random } from "@lenj/base";
import { type ClusterInfoReply, ConfChangeContext } from "@lenj/proto/raft";
import type { ConfChange, MemoryLog } from "@lenj/raft";
import type { Registry } from "prom-client";
import { LogArchive } from "./archive/log-archive.js";
import type { StoreConfig } from "./config.js";
import { toGrpcStatus } from "./core/errors.js";
import { JWTTokens } from "./drivers/auth/jwt-tokens.js";
import { Face } from "./drivers/face.js";
import { type ClientHTTPOptions, clientHTTP } from "./drivers/http/client-http.js";
import { Gateway } from "./drivers/http/gateway.js";
import { StoreInstruments } from "./drivers/http/store-instruments.js";
import { LeaseKeeper } from "./drivers/lease-keeper.js";
import type { LevelBackend } from "./drivers/level/level-backend.js";
import { levelFolder } from "./drivers/level/level-folder.js";
import type { LevelLog } from "./drivers/level/level-log.js";
import { openData } from "./drivers/level/open-data.js";
import { peerCredentials, peerTLS } from "./drivers/peer/peer-client.js";
import { PeerCounts } from "./drivers/peer/peer-counts.js";
import { peerService, peerServiceDefinition, toPeerStatus } from "./drivers/peer/peer-service.js";
import { GrpcPeerTransport } from "./drivers/peer/peer-transport.js";
import { QuotaKeeper } from "./drivers/quota-keeper.js";
import { SpaceKeeper } from "./drivers/space-keeper.js";
import { VersionMonitor } from "./drivers/version-monitor.js";
import { forwardTo } from "./forward-to.js";
import { type Identity, identityOf, readIdentity, writeIdentity } from "./identity.js";
import { checkNotBootstrapped, joinCluster } from "./join.js";
import type { PeerAddress } from "./replica/ports.js";
import { Replica } from "./replica/replica.js";
import { RequestTimes } from "./replica/request-times.js";
import { Access } from "./services/access.js";
import { type ServiceContext, storeVersion } from "./services/context.js";
import { addClientServices, type ClientService, checkCall, clientServices } from "./services/index.js";
import { MembershipChanges } from "./services/membership-changes.js";
import { MessageCounts } from "./services/message-counts.js";
import { WorkTimes } from "./services/work-times.js";

const peerMessageBytesMax = 64 * 1024 * 1024;
/** Room for the frame around a request of the largest size. Upstream: grpcOverheadBytes. */
const requestOverheadBytes = 512 * 1024;
/** Entries kept behind a truncation. Upstream: SnapshotCatchUpEntries. */
const catchUpEntries = 5_000;

export interface MemberParts {
  readonly config: StoreConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Registry;
}

/** What is measured for as long as the process runs, whatever becomes of the state. */
interface Measures {
  readonly times: RequestTimes;
  readonly peerCounts: PeerCounts;
}

interface Opened {
  readonly replica: Replica;
  readonly backend: LevelBackend;
  readonly log: LevelLog;
  readonly transport: GrpcPeerTransport;
  readonly leases: LeaseKeeper;
  readonly membership: MembershipChanges;
  readonly quota: QuotaKeeper;
  readonly space: SpaceKeeper;
  readonly versions: VersionMonitor;
  readonly archive: LogArchive | undefined;
}

export class Member {
  #opened: Opened;
  #peerFace: Face | undefined;
  #clientFace: Face | undefined;
  readonly #streams = new Set<{ close(): void }>();
  #fail: (error: Error) => void = () => {};
  readonly failed: Promise<Error>;
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
    readonly measures: Measures,
    opened: Opened,
  ) {
    this.#opened = opened;
    this.#instruments = new StoreInstruments(parts.metrics);
    this.work = new WorkTimes(() => parts.clock.monotonicMs());
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
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

  /** Opens the data and listens to peers and clients. */
  static async start(parts: MemberParts): Promise<Member> {
    const { config } = parts;
    const folder = `${config.dataDir}/member`;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { identity, peers } = await identify(parts, folder);
    const measures = { times: new RequestTimes({ ...parts, ...config.warnings }), peerCounts: new PeerCounts() };
    const member = new Member(parts, identity, measures, await open(parts, identity, measures, peers));
    try {
      member.#attach();
      await member.#listenToPeers();
      await member.#listenToClients();
    } catch (error) {
      await member.close();
      throw error;
    }
    return member;
  }

  async close(): Promise<void> {
    for (const stream of [...this.#streams]) stream.close();
    await this.#clientFace?.shutDown();
    await closeOpened(this.#opened);
    await this.#peerFace?.close();
  }

  #attach(): void {
    const { replica, backend, transport, leases, quota, space, versions } = this.#opened;
    transport.events = {
      onUnreachable: (id) => replica.reportUnreachable(id),
      onSnapshotSent: (id, ok) => replica.reportSnapshot(id, ok),
      onRemoved: () => replica.onRemoved(),
    };
    replica.onLeadership = () => {
      this.leaderChanges += 1;
    };
    replica.onApplied = () => this.#publish();
    replica.onLogWritten = (tookMs) => this.#instruments.onLogWritten(tookMs);
    backend.onWritten = (tookMs) => this.#instruments.onStateWritten(tookMs);
    replica.failed.then((error) => this.#fail(error)).catch(() => {});
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
          folder: `${config.dataDir}/member`,
          counts: this.measures.peerCounts,
          nowMs: () => clock.monotonicMs(),
          appliedIndex: () => this.replica.appliedIndex,
          isRemoved: (id) => this.replica.state.members.isRemoved(id),
          step: (messages) => this.replica.step(messages),
          clusterInfo: () => this.#clusterInfo(),
          promote: (id) => this.#opened.membership.promoteHere(id),
          localRenew: (id) => this.#opened.leases.localRenew(id),
          localTimes: (id) => this.#opened.leases.localTimes(id),
          replaceState: () => this.#replaceState(),
        },
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
        checkCall(context, call);
      },
      onDone: (path, code, tookMs) => this.#instruments.onDone(path, code, tookMs),
      onHttp1: clientHTTP({ ...this.#httpParts(context.replica), gateway: this.#gateway(context, services) }),
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
    return { replica, metrics: this.parts.metrics, onHealth: (isHealthy) => this.#instruments.onHealth(isHealthy) };
  }

  #gateway(context: ServiceContext, services: readonly ClientService[]): Gateway {
    return new Gateway({
      services,
      toStatus: toGrpcStatus,
      onCall: (call) => checkCall(context, call),
      bodyBytesMax: this.parts.config.maxRequestBytes + requestOverheadBytes,
    });
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
      usesClientCertificates: config.clientTLS.requireClientCert,
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
      ...{ bcryptCost, access },
      streams: this.#streams,
    };
  }

  /** A whole state arrived: everything is opened anew on it. Watches end; clients resume them from where they were. */
  async #replaceState(): Promise<void> {
    this.parts.logger.info("Replacing state by a snapshot of the leader");
    this.isReplacingState = true;
    for (const stream of [...this.#streams]) stream.close();
    await closeOpened(this.#opened);
    const opened = await open(this.parts, this.identity, this.measures);
    // Streams that began meanwhile hang on the state that is gone.
    for (const stream of [...this.#streams]) stream.close();
    this.#opened = opened;
    this.isReplacingState = false;
    this.#attach();
    this.parts.logger.info("Replaced state", { appliedIndex: this.replica.appliedIndex });
  }
}

/** From the data, or else from the running cluster or the flags. With the data of a member that has not learned of the others yet: both. */
async function identify(parts: MemberParts, folder: string): Promise<{ identity: Identity; peers: readonly PeerAddress[] }> {
  const { config, logger } = parts;
  const stored = readIdentity(folder);
  const options = { ...config, logger };
  if (config.isNewCluster) {
    if (stored !== undefined) return { identity: stored, peers: [] };
    const identity = identityOf(config);
    await checkNotBootstrapped(identity, options);
    writeIdentity(folder, identity);
    return { identity, peers: [] };
  }
  try {
    const { memberID, clusterID, peers } = await joinCluster(options);
    if (stored === undefined) writeIdentity(folder, { memberID, clusterID });
    return { identity: stored ?? { memberID, clusterID }, peers };
  } catch (error) {
    // What the flags say was true when the member joined, and need not be for ever.
    if (stored === undefined) throw error;
    return { identity: stored, peers: [] };
  }
}

async function open(
  parts: MemberParts,
  identity: Identity,
  { times, peerCounts }: Measures,
  initialPeers: readonly PeerAddress[] = [],
): Promise<Opened> {
  const { config, clock, random, logger } = parts;
  const archive = await openArchive(parts, identity);
  const { state, backend, log, memoryLog, applied } = await openData(levelFolder(`${config.dataDir}/member`), clock, firstMembers(config));
  try {
    if (archive !== undefined) catchUpArchive(archive, memoryLog, applied.index);
    state.tokens.ttlMs = config.auth.tokenTTLMs;
    const transport = new GrpcPeerTransport({
      clusterID: identity.clusterID,
      memberID: identity.memberID,
      credentials: (target, isSecure) => peerCredentials(config.peerTLS, target, isSecure),
      tls: (target) => peerTLS(config.peerTLS, target),
      ...{ backend, counts: peerCounts, clock, logger },
    });
    const replica = new Replica(
      {
        ...identity,
        heartbeatMs: config.heartbeatMs,
        electionTicks: config.electionTicks,
        snapshotCount: config.snapshotCount,
        catchUpEntries,
        maxRequestBytes: config.maxRequestBytes,
        initialPeers,
      },
      {
        ...{ clock, nextTurn: (run: () => void) => void setImmediate(run), random, logger },
        ...{ state, backend, log, memoryLog, transport, archive, times, applied },
      },
    );
    const { isReconfigStrict: isStrict, learnersMax, quotaBytes } = config;
    return {
      ...{ replica, backend, log, transport, archive },
      leases: new LeaseKeeper(replica, transport, clock, logger),
      membership: new MembershipChanges({ replica, forwarder: transport, clock, logger, isStrict, learnersMax }),
      quota: new QuotaKeeper(replica, quotaBytes, clock, logger),
      space: new SpaceKeeper(backend, () => replica.state.space.bytesInUse, clock, logger),
      versions: new VersionMonitor(replica, transport, clock, logger),
    };
  } catch (error) {
    await log.close();
    await backend.close();
    await archive?.close();
    throw error;
  }
}

/** The first entries of a new cluster's log; none for a member that joins one. */
function firstMembers(config: StoreConfig): ConfChange[] {
  if (!config.isNewCluster) return [];
  return config.initialMembers.map(({ id, name, peerURLs }) => {
    const member = { id, peerUrls: [...peerURLs], name, clientUrls: [], isLearner: false };
    return {
      transition: "auto",
      changes: [{ type: "addVoter", memberID: id }],
      context: ConfChangeContext.encode({ requestId: 0n, member, promote: false, learnersMax: 0 }).finish(),
    };
  });
}

function openArchive({ config, clock, logger }: MemberParts, identity: Identity): Promise<LogArchive> | undefined {
  if (config.archiveDir === "") return undefined;
  return LogArchive.open({ archiveDir: config.archiveDir, bytesMax: config.archiveBytesMax, ...identity, clock, logger });
}

/** A crash may have come between applying and archiving; what is missing is in the log still. A new archive begins with what comes next. */
function catchUpArchive(archive: LogArchive, memoryLog: MemoryLog, appliedIndex: number): void {
  if (archive.lastIndex === 0) return;
  const first = Math.max(archive.lastIndex + 1, memoryLog.firstIndex());
  if (first > appliedIndex) return;
  for (const entry of memoryLog.entries(first, appliedIndex + 1, Number.MAX_SAFE_INTEGER)) archive.append(entry, 0);
}

async function closeOpened({ replica, backend, log, transport, leases, quota, space, versions, archive }: Opened): Promise<void> {
  leases.close();
  quota.close();
  await space.close();
  versions.close();
  await replica.close();
  await transport.close();
  await log.close();
  await backend.close();
  await archive?.close();
}
