// What counts as the same answer.
import type { Answer } from "./subject.js";
import { plain } from "./watch-feed.js";

/** Fields that name a server, its addresses, its release, its size or its log rather than say what it did. */
const unlike = new Set([
  ...["clusterId", "memberId", "raftTerm", "token"],
  ...["version", "storageVersion", "downgradeInfo", "dbSize", "dbSizeInUse", "dbSizeQuota", "raftIndex", "raftAppliedIndex"],
  "hashRevision",
]);
/** Lease times run on each server's own clock; a busy machine may ask one a while after the other. */
const ttlSlackSeconds = 60;

/** An answer as text: equal texts are equal answers. */
export function normalize(answer: Answer): string {
  return JSON.stringify(answer, (key, value: unknown) => {
    // Status has a leader's ID under the name that elections have their leader under.
    if (unlike.has(key) || (key === "leader" && typeof value !== "object")) return undefined;
    // etcd lists leases, and the keys of one, in no order.
    if (key === "keys") return (value as readonly Buffer[]).map((bytes) => bytes.toString("hex")).sort();
    // IDs of members come of their addresses.
    if (key === "members") return (value as readonly { readonly isLearner: boolean }[]).map(({ isLearner }) => isLearner);
    // Permissions are by key; those of one key come in the order of each release.
    if (key === "perm") return (value as readonly object[]).map((perm) => JSON.stringify(perm, plain)).sort();
    if (key === "leases") return (value as readonly { readonly ID: bigint }[]).map(({ ID }) => String(ID)).sort();
    return plain(key, value);
  });
}

export function isSame(a: Answer, b: Answer): boolean {
  const texts = [normalize(a), normalize(b)] as const;
  if (texts[0] === texts[1]) return true;
  const ttl = /"TTL":(\d+),"grantedTTL"/;
  const [ttlA, ttlB] = texts.map((text) => Number(ttl.exec(text)?.[1] ?? Number.NaN)) as [number, number];
  return Math.abs(ttlA - ttlB) <= ttlSlackSeconds && texts[0].replace(ttl, "") === texts[1].replace(ttl, "");
}
