// What a member does about damage to its own data: the mark, the leader's state, and when neither helps.
//
// Not:   finding damage (drivers/level on reads, drivers/corruption-checker across members).
// R1. The state is a consequence of the log; losing it breaks no promise, so it is replaced without asking anybody's leave.
// R2. The log is what this member promised: entries that it acknowledged, whom it voted for. A member whose log lost some could help to elect
//     a leader without them, or two leaders of one term. How much is lost cannot be known from what is left, so it never comes back by itself.
import { type HashReport, judgeHashes } from "./core/compare-hashes.js";
import { DataDamaged } from "./core/errors.js";
import { peerCredentials } from "./drivers/peer/peer-client.js";
import { dropPartials, hasIncoming } from "./drivers/peer/snapshot-files.js";
import { fetchState } from "./drivers/peer/state-refill.js";
import type { Identity } from "./identity.js";
import { closeOpened, type MemberParts, memberFolder, type Opened, open } from "./opened.js";
import { readQuarantine, writeQuarantine } from "./quarantine.js";
import type { PeerAddress } from "./replica/ports.js";
import { hashKeySpace } from "./services/data-hash.js";

/** Opens the data. A state that is marked or found damaged is replaced by the leader's first. Throws DataDamaged when it cannot be. */
export async function openOrRefill(
  parts: MemberParts,
  identity: Identity,
  signal: AbortSignal,
  initialPeers: readonly PeerAddress[] = [],
): Promise<Opened> {
  for (let isRefilled = false; ; isRefilled = true) {
    await refillIfMarked(parts, identity, signal);
    try {
      return await open(parts, identity, initialPeers);
    } catch (error) {
      if (!(error instanceof DataDamaged) || isRefilled) throw error;
      if (error.part === "log") throw refuseLog(parts, identity, error);
      quarantineMark(parts, identity, error.message, initialPeers.length > 0 ? initialPeers : parts.config.initialMembers);
    }
  }
}

/** Notes on disk that the state is not to be used. Throws DataDamaged when there is nobody to get another one from. */
export function quarantineMark(
  { config, logger }: MemberParts,
  { memberID }: Identity,
  reason: string,
  members: readonly PeerAddress[],
): void {
  const peers = members.filter(({ id }) => id !== memberID).map(({ id, peerURLs }) => ({ id, peerURLs }));
  const who = { member: memberID.toString(16), name: config.name, folder: memberFolder(config), reason };
  if (peers.length === 0) {
    throw new DataDamaged(
      "state",
      `The data of ${config.name} is damaged, and it has no peers to take a state from: ${reason}. Restore a snapshot: lenj-store restore`,
    );
  }
  logger.error("Quarantined: this member's data is damaged. It serves nobody until it has the leader's state", who);
  dropPartials(memberFolder(config));
  writeQuarantine(memberFolder(config), { reason, peers, isRefilled: false });
}

export const differs = (own: HashReport, other: HashReport): boolean =>
  own.hashRevision === other.hashRevision && own.compactRevision === other.compactRevision && own.hash !== other.hash;

/** With --initial-corrupt-check: compares with the peers that answer before anything is served. Throws DataDamaged where no majority decides. */
export async function checkAtStart(opened: Opened, parts: MemberParts, identity: Identity, signal: AbortSignal): Promise<Opened> {
  const { config, logger } = parts;
  const { state } = opened.replica;
  const members = state.members.list();
  if (!config.initialCorruptCheck || config.forcesNewCluster || members.length < 2) return opened;
  const peers = members.filter(({ id }) => id !== identity.memberID).map(({ id, peerUrls: peerURLs }) => ({ id, peerURLs }));
  opened.transport.setPeers(peers);
  const own = { memberID: identity.memberID, ...(await hashKeySpace(opened.backend, state.space, 0)) };
  const asked = peers.map(({ id }) => opened.transport.hashAt(id, own.hashRevision, initialCheckMs).catch(() => undefined));
  const reports = (await Promise.all(asked)).filter((report) => report !== undefined);
  const { differing, majority } = judgeHashes(own, reports, members.length);
  logger.info("Compared data with peers at start", { revision: own.hashRevision, answered: reports.length, differing: differing.length });
  if (!differs(own, majority ?? own) && (majority !== undefined || differing.length === 0)) return opened;
  await closeOpened(opened);
  const found = `its hash at revision ${own.hashRevision} differs from that of ${majority === undefined ? "a peer" : "most members"}`;
  if (majority === undefined) throw new DataDamaged("state", `Cannot start ${config.name}: ${found}, and no majority says which is right`);
  quarantineMark(parts, identity, found, peers);
  return openOrRefill(parts, identity, signal);
}

/** How long peers have for their hashes at a start. */
const initialCheckMs = 10_000;

async function refillIfMarked(parts: MemberParts, { clusterID, memberID }: Identity, signal: AbortSignal): Promise<void> {
  const { config, clock, logger } = parts;
  const folder = memberFolder(config);
  const mark = readQuarantine(folder);
  if (mark === undefined || mark.isRefilled || hasIncoming(folder)) return;
  logger.info("Taking the leader's state", { name: config.name, reason: mark.reason });
  const credentials = (target: string, isSecure: boolean): ReturnType<typeof peerCredentials> =>
    peerCredentials(config.peerTLS, target, isSecure);
  await fetchState({ clusterID, memberID, folder, peers: mark.peers, credentials, clock, logger, signal });
}

function refuseLog({ config }: MemberParts, { memberID }: Identity, error: DataDamaged): DataDamaged {
  const id = memberID.toString(16);
  return new DataDamaged(
    "log",
    `Cannot start ${config.name}: its raft log is damaged (${error.message}). The log holds what this member promised to the others, so it ` +
      `cannot come back as ${id}. Replace it from a healthy member: lenj-store member replace ${id}, then start it with an empty ${config.dataDir}`,
    { cause: error },
  );
}
