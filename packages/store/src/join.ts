// Before a member without data may start: what the others say about the cluster it wants to be in.
//
// J1. A member of a running cluster takes its ID and the cluster's from there; flags that do not fit the cluster are refused.
// J2. A member of a new cluster that was there before, and has lost its data, is refused: it may have promised and voted already.
// Source: etcd server/etcdserver/bootstrap.go (bootstrapExistingClusterNoWAL, bootstrapNewClusterNoWAL).
import type { Logger } from "@lenj/base";
import type { ClusterInfoReply } from "@lenj/proto/raft";
import type { InitialMember, StoreConfig, TLSFiles } from "./config.js";
import { compareVersions, shortVersion } from "./core/cluster-version.js";
import { StoreError } from "./core/errors.js";
import type { MemberRecord } from "./core/membership.js";
import { askClusterInfo } from "./drivers/peer/peer-client.js";
import { type Identity, identityOf, readIdentity, writeIdentity } from "./identity.js";
import type { PeerAddress } from "./replica/ports.js";
import { storeVersion } from "./services/context.js";

/** Upstream waits a second for each. */
const answerTimeoutMs = 1_000;
const joinTimeoutMs = 5_000;

/** From the data, or else from the running cluster or the flags. With the data of a member that has not learned of the others yet: both. */
export async function identifyMember(
  config: StoreConfig,
  folder: string,
  logger: Logger,
): Promise<{ readonly identity: Identity; readonly peers: readonly PeerAddress[] }> {
  const stored = readIdentity(folder);
  const options = { ...config, logger };
  // Who is to be alone asks nobody.
  if (stored !== undefined && config.forcesNewCluster) return { identity: stored, peers: [] };
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

export interface JoinOptions {
  readonly name: string;
  readonly initialMembers: readonly InitialMember[];
  readonly peerTLS: TLSFiles;
  readonly learnersMax: number;
  readonly logger: Logger;
}

export interface Joined extends Identity {
  /** All members of the cluster, this one included. */
  readonly peers: readonly PeerAddress[];
}

/** Throws CONFIG_INVALID, in upstream's words. */
export async function joinCluster(options: JoinOptions): Promise<Joined> {
  const others = options.initialMembers.filter(({ name }) => name !== options.name);
  const running = await firstAnswer(others, options);
  const members = matchMembers(running, options);
  const own = members.get(options.name);
  if (own === undefined)
    throw new StoreError("CONFIG_INVALID", `couldn't find local name ${JSON.stringify(options.name)} in the initial cluster configuration`);
  if (running.clusterVersion !== "" && compareVersions(running.clusterVersion, `${shortVersion(storeVersion)}.0`) > 0)
    throw new StoreError("CONFIG_INVALID", "incompatible with current running cluster");
  const learners = running.members.filter(({ isLearner }) => isLearner).length;
  if (learners > options.learnersMax) throw new StoreError("CONFIG_INVALID", "membership: too many learner members in cluster");
  return {
    memberID: own.id,
    clusterID: running.clusterId,
    peers: running.members.map(({ id, peerUrls }) => ({ id, peerURLs: peerUrls })),
  };
}

/** Throws CONFIG_INVALID when the others know this member of a new cluster as one that has run already. */
export async function checkNotBootstrapped(identity: Identity, options: JoinOptions): Promise<void> {
  const others = options.initialMembers.filter(({ name }) => name !== options.name);
  const answers = await Promise.all(
    others.flatMap(({ peerURLs }) => peerURLs.map((url) => askClusterInfo(url, options.peerTLS, answerTimeoutMs).catch(() => undefined))),
  );
  for (const answer of answers) {
    if (answer?.clusterId !== identity.clusterID) continue;
    const own = answer.members.find(({ id }) => id === identity.memberID);
    if ((own?.clientUrls.length ?? 0) > 0 || answer.removedIds.includes(identity.memberID))
      throw new StoreError("CONFIG_INVALID", `member ${identity.memberID.toString(16)} has already been bootstrapped`);
  }
}

async function firstAnswer(others: readonly InitialMember[], { peerTLS, logger }: JoinOptions): Promise<ClusterInfoReply> {
  for (const url of others.flatMap(({ peerURLs }) => peerURLs)) {
    try {
      const answer = await askClusterInfo(url, peerTLS, joinTimeoutMs);
      if (answer.members.length > 0) return answer;
    } catch (error) {
      logger.warn("Cannot ask for the cluster's members", { address: url, error });
    }
  }
  throw new StoreError(
    "CONFIG_INVALID",
    "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs",
  );
}

/** The running cluster's members by the names that the flags give them; they are found by their peer URLs. */
function matchMembers(running: ClusterInfoReply, { initialMembers }: JoinOptions): Map<string, MemberRecord> {
  const refuse = (reason: string): StoreError =>
    new StoreError("CONFIG_INVALID", `error validating peerURLs ${describeCluster(running)}: ${reason}`);
  if (running.members.length !== initialMembers.length) throw refuse("member count is unequal");
  const found = new Map<string, MemberRecord>();
  for (const member of running.members) {
    const given = initialMembers.find(({ peerURLs }) => isSameSet(peerURLs, member.peerUrls));
    if (given === undefined)
      throw refuse(`PeerURLs: no match found for existing member (${member.id.toString(16)}, [${member.peerUrls.join(" ")}])`);
    found.set(given.name, member);
  }
  return found;
}

const isSameSet = (a: readonly string[], b: readonly string[]): boolean => [...a].sort().join() === [...b].sort().join();

/** As Go prints it. */
function describeCluster({ clusterId, members, removedIds }: ClusterInfoReply): string {
  const shown = members.map(
    ({ id, peerUrls, isLearner, name, clientUrls }) =>
      `&{ID:${id.toString(16)} RaftAttributes:{PeerURLs:[${peerUrls.join(" ")}] IsLearner:${isLearner}} ` +
      `Attributes:{Name:${name} ClientURLs:[${clientUrls.join(" ")}]}}`,
  );
  const removed = removedIds.map((id) => id.toString(16));
  return `{ClusterID:${clusterId.toString(16)} Members:[${shown.join(" ")}] RemovedMemberIDs:[${removed.join(" ")}]}`;
}
