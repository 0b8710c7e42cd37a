// Forgets old revisions by itself: those older than a time, or all but the newest so many. Only the leader acts.
// Source: etcd server/etcdserver/api/v3compactor.
import type { Clock, Logger, Timer } from "@lenj/base";
import type { Member } from "../member.js";

const revisionIntervalMs = 5 * 60_000;

export class AutoCompactor {
  #timer: Timer | undefined;
  #closed = false;
  /** Revisions seen at past looks, oldest first. */
  #seen: { readonly atMs: number; readonly revision: number }[] = [];

  constructor(
    readonly member: Member,
    readonly policy: { readonly mode: "periodic" | "revision"; readonly retention: number },
    readonly clock: Clock,
    readonly logger: Logger,
  ) {}

  start(): void {
    if (this.policy.retention <= 0) return;
    const intervalMs =
      this.policy.mode === "revision" ? revisionIntervalMs : Math.max(1_000, Math.min(this.policy.retention, 3_600_000) / 10);
    this.#timer = this.clock.after(intervalMs, () => {
      this.#look();
      if (!this.#closed) this.start();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #look(): void {
    const { replica } = this.member;
    const { space } = replica.state;
    const nowMs = this.clock.monotonicMs();
    this.#seen.push({ atMs: nowMs, revision: space.currentRevision });
    let revision = space.currentRevision - this.policy.retention;
    if (this.policy.mode === "periodic") {
      revision = 0;
      while (this.#seen.length > 0 && nowMs - (this.#seen[0]?.atMs ?? 0) >= this.policy.retention)
        revision = this.#seen.shift()?.revision ?? 0;
    }
    if (!replica.isLeader || revision <= space.compactRevision || revision <= 0) return;
    replica.propose({ compaction: { revision, physical: false } }).then(
      () => this.logger.info("Compacted", { revision }),
      (error: unknown) => this.logger.warn("Compaction failed", { revision, error }),
    );
  }
}
