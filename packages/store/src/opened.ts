// What a member has open: its databases, log, archive, replica and ways to peers; opened and closed as a whole.
//
// Owns:  the order of opening and closing.
// Not:   listening (member), when it is opened anew (in-service).
import type { Clock, Logger, Random } from "@lenj/base";
import { ConfChangeContext } from "@lenj/proto/raft";
import type { ConfChange, MemoryLog } from "@lenj/raft";
import type { Registry } from "prom-client";
import { LogArchive } from "./archive/log-archive.js";
import type { StoreConfig } from "./config.js";
import { LeaseKeeper } from "./drivers/lease-keeper.js";
import type { LevelBackend } from "./drivers/level/level-backend.js";
import { levelFolder } from "./drivers/level/level-folder.js";
import type { LevelLog } from "./drivers/level/level-log.js";
import { openData } from "./drivers/level/open-data.js";
import { peerCredentials, peerTLS } from "./drivers/peer/peer-client.js";
import type { PeerCounts } from "./drivers/peer/peer-counts.js";
import { GrpcPeerTransport } from "./drivers/peer/peer-transport.js";
import { hasIncoming, partialStates } from "./drivers/peer/snapshot-files.js";
import { grpcStateSource } from "./drivers/peer/state-refill.js";
import { QuotaKeeper } from "./drivers/quota-keeper.js";
import { SpaceKeeper } from "./drivers/space-keeper.js";
import { VersionMonitor } from "./drivers/version-monitor.js";
import type { Identity } from "./identity.js";
import { quarantineFile } from "./quarantine.js";
import { Recovery } from "./recovery.js";
import type { PeerAddress } from "./replica/ports.js";
import { Replica } from "./replica/replica.js";
import type { RequestTimes } from "./replica/request-times.js";
import { MembershipChanges } from "./services/membership-changes.js";

/** Entries kept behind a truncation. Upstream: SnapshotCatchUpEntries. */
const catchUpEntries = 5_000;

export interface StartParts {
  readonly config: StoreConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Registry;
}

/** What is measured for as long as the process runs, whatever becomes of the state. */
export interface Measures {
  readonly times: RequestTimes;
  readonly peerCounts: PeerCounts;
}

export interface MemberParts extends StartParts {
  readonly measures: Measures;
}

export interface Opened {
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

/** Where a member keeps what is its own. */
export const memberFolder = ({ dataDir }: Pick<StoreConfig, "dataDir">): string => `${dataDir}/member`;

/** Throws DataDamaged. */
async function open(parts: MemberParts, identity: Identity, initialPeers: readonly PeerAddress[] = []): Promise<Opened> {
  const { config, clock, random, logger } = parts;
  const { times, peerCounts } = parts.measures;
  const archive = await openArchive(parts, identity);
  const { state, backend, log, memoryLog, applied } = await openData(levelFolder(memberFolder(config)), clock, firstMembers(config));
  try {
    if (archive !== undefined) catchUpArchive(archive, memoryLog, applied.index);
    state.tokens.ttlMs = config.auth.tokenTTLMs;
    const transport = new GrpcPeerTransport({
      clusterID: identity.clusterID,
      memberID: identity.memberID,
      credentials: (target, isSecure) => peerCredentials(config.peerTLS, target, isSecure),
      tls: (target) => peerTLS(config.peerTLS, target),
      ...{ backend, counts: peerCounts, clock, random, logger },
      logBegin: () => memoryLog.firstIndex() - 1,
      ownURLs: () => state.members.list().find(({ id }) => id === identity.memberID)?.peerUrls ?? [],
    });
    const replica = new Replica(
      {
        ...identity,
        heartbeatMs: config.heartbeatMs,
        electionTicks: config.electionTicks,
        diskStallMs: config.diskStallMs,
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

/** What this member does about damage to its data. */
export function memberRecovery(parts: MemberParts, identity: Identity): Recovery<Opened> {
  const { config, clock, logger } = parts;
  const folder = memberFolder(config);
  return new Recovery({
    ...identity,
    ...{ name: config.name, dataDir: config.dataDir, initialMembers: config.initialMembers, clock, logger },
    mark: quarantineFile(folder),
    partials: partialStates(folder),
    hasIncoming: () => hasIncoming(folder),
    open: (initialPeers) => open(parts, identity, initialPeers),
    close: closeOpened,
    connect: (url) => grpcStateSource(url, (target, isSecure) => peerCredentials(config.peerTLS, target, isSecure)),
  });
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

export async function closeOpened({ replica, backend, log, transport, leases, quota, space, versions, archive }: Opened): Promise<void> {
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
