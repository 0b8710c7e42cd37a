import { encodeRevision, endOfKeys, type KeyRange } from "@lenj/mvcc";
import type { StateMachine } from "@lenj/store/core";

const everything: KeyRange = { start: "", end: endOfKeys };

/**
 * Text that is equal on members with equal state: what can be read at any readable revision, leases, members, alarms. What a compaction has
 * dropped already differs between members and is left out. Reads past the value cache, and so leaves it as it is.
 */
export function digestState(state: StateMachine): string {
  const { space, leases, members, alarms } = state;
  const lines: string[] = [`${space.currentRevision} ${space.compactRevision}`];
  space.index.visit(everything, Number.MAX_SAFE_INTEGER, (entry, position) => {
    const main = entry.history[position] as number;
    const row = space.backend.get("key", encodeRevision(main, entry.history[position + 1] as number));
    const value = row === undefined ? "missing" : Buffer.from(row).toString("latin1");
    const cached = entry.latest === undefined ? value : Buffer.from(entry.latest).toString("latin1");
    const visible = entry.history.filter((_, at) => (entry.history[at - (at % 2)] as number) > space.compactRevision);
    lines.push(
      `${entry.key} ${main} ${entry.createRevision} ${entry.version} ${entry.lease} ${String(visible)} ${value} ${cached === value}`,
    );
    return true;
  });
  if (space.compactRevision > 0) {
    space.index.visit(everything, space.compactRevision, (entry, position) => {
      lines.push(`${entry.key} ${entry.history[position]} at compaction`);
      return true;
    });
  }
  for (const id of leases.ids()) {
    const lease = leases.get(id);
    if (lease !== undefined) lines.push(`lease ${id} ${lease.ttlSeconds} ${lease.remainingSeconds} ${[...lease.keys].sort().join()}`);
  }
  for (const member of members.list()) lines.push(`member ${member.id} ${member.isLearner} ${member.peerUrls.join()}`);
  // In the order in which they were raised, or, after a restart, by member: that says nothing.
  lines.push(
    ...alarms
      .list(0)
      .map(({ memberID, alarm }) => `alarm ${memberID} ${alarm}`)
      .sort(),
  );
  return lines.join("\n");
}
