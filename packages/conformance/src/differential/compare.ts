// What counts as the same answer.
import { type Answer, plain } from "./subject.js";

/** Fields that name a server or its clock rather than say what it did. */
const unlike = new Set(["clusterId", "memberId", "raftTerm"]);
/** Lease times run on each server's own clock. */
const ttlSlackSeconds = 3;

/** An answer as text: equal texts are equal answers. */
export function normalize(answer: Answer): string {
  return JSON.stringify(answer, (key, value: unknown) => {
    if (unlike.has(key)) return undefined;
    // etcd lists leases, and the keys of one, in no order.
    if (key === "keys") return (value as readonly Buffer[]).map((bytes) => bytes.toString("hex")).sort();
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
