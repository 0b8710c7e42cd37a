// Cuts the raft log once enough was applied since the last time, never past what the backend holds durably.
import type { Snapshot } from "@lenj/raft";
import type { ReplicaConfig, ReplicaParts } from "./replica.js";

/** Entries that the log keeps for an archive that is behind; past that it is cut, and the archive may get a gap. */
const archiveLagMax = 100_000;

export class LogTruncation {
  #lastAt: number;

  constructor(
    private readonly config: Pick<ReplicaConfig, "snapshotCount" | "catchUpEntries">,
    private readonly parts: Pick<ReplicaParts, "backend" | "memoryLog" | "log" | "state" | "archive" | "logger">,
  ) {
    this.#lastAt = parts.memoryLog.firstIndex() - 1;
  }

  /** To be called when the backend has more on disk. */
  maybeTruncate(): void {
    const durable = this.parts.backend.durableIndex;
    const { memoryLog, log, state } = this.parts;
    if (durable - this.#lastAt < this.config.snapshotCount || durable > memoryLog.lastIndex()) return;
    const term = memoryLog.term(durable);
    if (term === undefined) return;
    this.#lastAt = durable;
    const snapshot: Snapshot = { metadata: { index: durable, term, confState: state.members.confState() }, data: new Uint8Array(0) };
    memoryLog.createSnapshot(snapshot);
    const cutAt = Math.max(memoryLog.firstIndex() - 1, Math.min(durable - this.config.catchUpEntries, this.#archivedThrough(durable)));
    const cutTerm = memoryLog.term(cutAt);
    if (cutTerm === undefined || cutAt < memoryLog.firstIndex()) return;
    memoryLog.compact(cutAt);
    log.compactLater(cutAt, cutTerm);
    this.parts.logger.info("Truncated log", { throughIndex: cutAt, snapshotIndex: durable });
  }

  /** Entries that are not archived yet stay in the log, unless the archive is hopelessly behind. */
  #archivedThrough(durable: number): number {
    const archived = this.parts.archive?.durableIndex ?? durable;
    return durable - archived > archiveLagMax ? durable : archived;
  }
}
