// The comparison with peers at a start, before anything is served: --initial-corrupt-check.
import { differs, judgeHashes } from "./core/compare-hashes.js";
import { DataDamaged } from "./core/errors.js";
import { closeOpened, type MemberParts, type Opened } from "./opened.js";
import type { Recovery } from "./recovery.js";
import { hashKeySpace } from "./services/data-hash.js";

/** How long peers have for their hashes. */
const initialCheckMs = 10_000;

/** Compares with the peers that answer before anything is served. Throws DataDamaged where no majority decides. */
export async function checkAtStart(
  opened: Opened,
  { config, logger }: MemberParts,
  recovery: Recovery<Opened>,
  signal: AbortSignal,
): Promise<Opened> {
  const { memberID } = recovery.parts;
  const { state } = opened.replica;
  const members = state.members.list();
  if (!config.initialCorruptCheck || config.forcesNewCluster || members.length < 2) return opened;
  const peers = members.filter(({ id }) => id !== memberID).map(({ id, peerUrls: peerURLs }) => ({ id, peerURLs }));
  opened.transport.setPeers(peers);
  const own = { memberID, ...(await hashKeySpace(opened.backend, state.space, 0)) };
  const asked = peers.map(({ id }) => opened.transport.hashAt(id, own.hashRevision, initialCheckMs).catch(() => undefined));
  const reports = (await Promise.all(asked)).filter((report) => report !== undefined);
  const { differing, majority } = judgeHashes(own, reports, members.length);
  logger.info("Compared data with peers at start", { revision: own.hashRevision, answered: reports.length, differing: differing.length });
  if (!differs(own, majority ?? own) && (majority !== undefined || differing.length === 0)) return opened;
  await closeOpened(opened);
  const found = `its hash at revision ${own.hashRevision} differs from that of ${majority === undefined ? "a peer" : "most members"}`;
  if (majority === undefined) throw new DataDamaged("state", `Cannot start ${config.name}: ${found}, and no majority says which is right`);
  recovery.quarantine(found, peers);
  return recovery.openOrRefill(signal);
}
