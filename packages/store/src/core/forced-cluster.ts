// What a member's log has to go on with, so that the member is the only one of its cluster: --force-new-cluster.
//
// Not:   reading and writing the log (force-new-cluster.ts), applying the entries (the replica, as any others).
// F1. The whole log stays, as that of a member that is elected does: what was acknowledged is in it, and how far it was committed is not
//     known for certain, for a member writes that down seldom. etcd drops what it does not know to be committed.
// F2. The changes of membership come after it: they are applied in order, by an ordinary start, also when a crash comes in between.
// F3. The new entries have a term of their own, as if this member had been elected: an entry of the others with the same index and term
//     is then never another one.
// Source: etcd server/etcdserver/raft.go (createConfChangeEnts) and bootstrap.go (CommitAndAppendToWAL).
import { ConfChangeContext } from "@lenj/proto/raft";
import { type ConfChange, decodeConfChange, type Entry, encodeConfChange, type HardState } from "@lenj/raft";
import { StoreError } from "./errors.js";
import { type MemberRecord, Membership } from "./membership.js";

export interface ForcedClusterInput {
  readonly memberID: bigint;
  /** Where others are to find the member, if it does not know itself yet. */
  readonly peerURLs: readonly string[];
  /** The records at `appliedIndex`. */
  readonly members: Membership;
  readonly appliedIndex: number;
  readonly hardState: HardState;
  /** The log, consecutive; it reaches back to the entry after `appliedIndex`, or is empty. */
  readonly entries: readonly Entry[];
}

export interface ForcedCluster {
  /** To be written at once, after what there is. */
  readonly write: { readonly entries: readonly Entry[]; readonly hardState: HardState };
  readonly keptIndex: number;
  readonly removedIDs: readonly bigint[];
}

/** Undefined when there is nothing to change. Throws CONFIG_INVALID for a member that cannot be the only one. */
export function planForcedCluster(input: ForcedClusterInput): ForcedCluster | undefined {
  const { memberID, members, appliedIndex, hardState, entries } = input;
  const keptIndex = entries.at(-1)?.index ?? appliedIndex;
  const configuration = { members: copyOf(members), isJoint: false };
  follow(configuration, entries, appliedIndex);
  const changes = changesTo(input, configuration);
  if (changes.length === 0) return undefined;
  const term = hardState.term + 1;
  const added = changes.map((change, position): Entry => {
    return { term, index: keptIndex + 1 + position, type: "confChange", data: encodeConfChange(change) };
  });
  return {
    write: { entries: added, hardState: { term, vote: memberID, commit: keptIndex + added.length } },
    keptIndex,
    removedIDs: changes.flatMap(({ changes: singles }) => singles.filter(({ type }) => type === "remove").map((single) => single.memberID)),
  };
}

interface Configuration {
  readonly members: Membership;
  isJoint: boolean;
}

function copyOf(members: Membership): Membership {
  const copy = new Membership({ get: () => undefined, put: () => {}, delete: () => {} });
  for (const member of members.list()) copy.put(member);
  for (const id of members.removedIDs()) copy.remove(id);
  return copy;
}

/** Does to the configuration what applying the entries will do to it. */
function follow(configuration: Configuration, entries: readonly Entry[], after: number): void {
  for (const { index, type, data } of entries) {
    if (type !== "confChange" || index <= after) continue;
    const change = decodeConfChange(data);
    const [single, another] = change.changes;
    if (another !== undefined)
      throw new StoreError("CONFIG_INVALID", `Cannot force a new cluster: entry ${index} changes several members at once`);
    if (single === undefined) {
      configuration.isJoint = false;
      continue;
    }
    const context = ConfChangeContext.decode(Buffer.from(change.context));
    try {
      configuration.members.checkChange(single, context);
    } catch {
      continue; // Applying it turns it down, too.
    }
    configuration.members.applyChange(single, context);
    if (change.transition !== "auto") configuration.isJoint = true;
  }
}

/** The member itself comes first: a configuration always has a voter. */
function changesTo({ memberID, peerURLs }: ForcedClusterInput, { members, isJoint }: Configuration): ConfChange[] {
  if (members.isRemoved(memberID))
    throw new StoreError("CONFIG_INVALID", `Cannot force a new cluster: member ${memberID.toString(16)} has been removed from this one`);
  const changes: ConfChange[] = [];
  if (isJoint) changes.push({ transition: "auto", changes: [], context: new Uint8Array(0) });
  const own = members.get(memberID);
  if (own?.isLearner !== false) {
    const member: MemberRecord = { id: memberID, peerUrls: [...peerURLs], name: "", clientUrls: [], isLearner: false };
    const change = changeOf("addVoter", memberID, { member, promote: own !== undefined });
    members.checkChange({ type: "addVoter", memberID }, ConfChangeContext.decode(Buffer.from(change.context)));
    changes.push(change);
  }
  for (const { id } of members.list()) if (id !== memberID) changes.push(changeOf("remove", id, { member: undefined, promote: false }));
  return changes;
}

function changeOf(
  type: "addVoter" | "remove",
  memberID: bigint,
  { member, promote }: { readonly member: MemberRecord | undefined; readonly promote: boolean },
): ConfChange {
  const context = ConfChangeContext.encode({ requestId: 0n, member, promote, learnersMax: 0 }).finish();
  return { transition: "auto", changes: [{ type, memberID }], context };
}
