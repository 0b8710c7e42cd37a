// --force-new-cluster: the data of a member whose cluster has lost its quorum for good becomes that of a cluster of this member alone.
//
// Not:   what the log has to go on with (core/forced-cluster).
// F1. Everything that changes is one write of the log. A crash before it changes nothing; after it any start, with the flag or without,
//     applies what it says.
// F2. Only data that is as good as the member ever had it is made the only copy: what is damaged, or about to be replaced, is refused.
import { existsSync } from "node:fs";
import { DataDamaged, StoreError } from "./core/errors.js";
import { type ForcedCluster, planForcedCluster } from "./core/forced-cluster.js";
import { levelFolder } from "./drivers/level/level-folder.js";
import { openData } from "./drivers/level/open-data.js";
import { hasIncoming, partialStates } from "./drivers/peer/snapshot-files.js";
import type { Identity } from "./identity.js";
import { memberFolder, type StartParts } from "./opened.js";
import { quarantineFile } from "./quarantine.js";

type ForceParts = Pick<StartParts, "clock" | "logger"> & {
  readonly config: Pick<StartParts["config"], "name" | "dataDir" | "initialMembers">;
};

/** Before the data is opened for use. Throws CONFIG_INVALID, or DataDamaged, for data that is not to be the only copy. */
export async function forceNewCluster(parts: ForceParts, identity: Identity): Promise<void> {
  const { config, logger } = parts;
  const who = { name: config.name, member: identity.memberID.toString(16) };
  // As in etcd, a member without data is a first member like any other.
  if (!existsSync(`${memberFolder(config)}/log`)) {
    logger.warn("There is no data to force a new cluster with: --force-new-cluster changes nothing", who);
    return;
  }
  checkUsable(config);
  const forced = await rewriteLog(parts, identity).catch((error: unknown) => {
    throw error instanceof DataDamaged ? damaged(config.name, error) : error;
  });
  if (forced === undefined) {
    logger.info("This member is the only one already: --force-new-cluster changes nothing, and is better left out", who);
    return;
  }
  const { keptIndex, removedIDs } = forced;
  const removed = removedIDs.map((id) => id.toString(16));
  logger.warn("Forced a new cluster of this member alone. Start it without --force-new-cluster from now on", {
    ...who,
    keptIndex,
    removed,
  });
}

function checkUsable(config: ForceParts["config"]): void {
  const folder = memberFolder(config);
  const refuse = (why: string): StoreError => new StoreError("CONFIG_INVALID", `Cannot force a new cluster from ${folder}: ${why}`);
  const mark = quarantineFile(folder).read();
  if (mark?.isRefilled === false && !hasIncoming(folder))
    throw refuse(`its state is quarantined (${mark.reason}). Use another member's data, or restore a snapshot: lenj-store restore`);
  if (partialStates(folder).list().length > 0)
    throw refuse(
      "it has received a part of the leader's newer state. Use another member's data, or restore a snapshot: lenj-store restore. " +
        "To go on with the older state that it has, remove its incoming-* folders",
    );
}

async function rewriteLog({ config, clock }: ForceParts, { memberID }: Identity): Promise<ForcedCluster | undefined> {
  const { state, backend, log, memoryLog, applied } = await openData(levelFolder(memberFolder(config)), clock, []);
  try {
    const { hardState } = memoryLog.initialState();
    const lastIndex = memoryLog.lastIndex();
    if (lastIndex === 0)
      throw new StoreError("CONFIG_INVALID", `Cannot force a new cluster from ${memberFolder(config)}: nothing is in it`);
    const first = Math.max(memoryLog.firstIndex(), applied.index + 1);
    const forced = planForcedCluster({
      memberID,
      peerURLs: config.initialMembers.find(({ name }) => name === config.name)?.peerURLs ?? [],
      members: state.members,
      appliedIndex: applied.index,
      hardState,
      entries: first > lastIndex ? [] : memoryLog.entries(first, lastIndex + 1, Number.MAX_SAFE_INTEGER),
    });
    if (forced !== undefined) await log.append([forced.write]);
    return forced;
  } finally {
    await log.close();
    await backend.close();
  }
}

function damaged(name: string, error: DataDamaged): DataDamaged {
  return new DataDamaged(
    error.part,
    `Cannot force a new cluster from the data of ${name}: its ${error.part === "log" ? "raft log" : "state"} is damaged (${error.message}). ` +
      "Use another member's data, or restore a snapshot: lenj-store restore",
    { cause: error },
  );
}
