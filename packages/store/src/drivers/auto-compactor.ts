// Forgets old revisions by itself: those older than a time, or all but the newest so many. Only the leader acts.
//
// A1. By revision: every five minutes, all but the newest `retention`.
// A2. By time: what was the newest revision at least `retention` ago. First after one retention, then once per retention, or per hour if
//     that is less. Every member notes revisions, so that a new leader goes on where the last one was.
// A3. What failed is tried again at the next look.
// Source: etcd server/etcdserver/api/v3compactor.
import type { Clock, Logger, Timer } from "@lenj/base";
import { isStoreError } from "../core/errors.js";
import type { Member } from "../member.js";

const revisionIntervalMs = 5 * 60_000;
const hourMs = 3_600_000;
/** Of a periodic compactor, in each interval. */
const looksPerInterval = 10;
const lookMsMin = 100;

export interface CompactionPolicy {
  readonly mode: "periodic" | "revision";
  /** Milliseconds or revisions, by mode; 0: nothing is compacted. */
  readonly retention: number;
}

/** What is to be compacted. */
export interface CompactedHistory {
  readonly isLeader: boolean;
  readonly currentRevision: number;
  readonly compactRevision: number;
  /** Rejects with StoreError. */
  compact(revision: number): Promise<unknown>;
}

export class AutoCompactor {
  #timer: Timer | undefined;
  #closed = false;
  /** A2: revisions seen at past looks, oldest first; one that is older than the retention, and all that are younger. */
  #seen: { readonly atMs: number; readonly revision: number }[] = [];
  #dueMs = 0;

  constructor(
    readonly history: CompactedHistory,
    readonly policy: CompactionPolicy,
    readonly clock: Clock,
    readonly logger: Logger,
  ) {}

  start(): void {
    const { mode, retention } = this.policy;
    if (retention <= 0) return;
    const nowMs = this.clock.monotonicMs();
    if (mode === "periodic") {
      this.#dueMs = nowMs + retention;
      this.#note(nowMs);
    }
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  get #intervalMs(): number {
    return this.policy.mode === "revision" ? revisionIntervalMs : Math.min(this.policy.retention, hourMs);
  }

  #schedule(): void {
    const lookMs = this.policy.mode === "revision" ? this.#intervalMs : Math.max(lookMsMin, this.#intervalMs / looksPerInterval);
    this.#timer = this.clock.after(lookMs, () => {
      this.#look();
      if (!this.#closed) this.#schedule();
    });
  }

  #look(): void {
    const nowMs = this.clock.monotonicMs();
    const { mode, retention } = this.policy;
    if (mode === "periodic") this.#note(nowMs);
    if (!this.history.isLeader || nowMs < this.#dueMs) return;
    const revision = mode === "periodic" ? (this.#seen[0]?.revision ?? 0) : this.history.currentRevision - retention;
    if (revision <= 0) return;
    if (revision <= this.history.compactRevision) {
      this.#onDone(nowMs);
      return;
    }
    this.history.compact(revision).then(
      () => {
        this.#onDone(nowMs);
        this.logger.info("Compacted", { revision });
      },
      (error: unknown) => {
        // Somebody was faster.
        if (isStoreError(error, "COMPACTED")) this.#onDone(nowMs);
        else this.logger.warn("Compaction failed", { revision, error });
      },
    );
  }

  #note(nowMs: number): void {
    this.#seen.push({ atMs: nowMs, revision: this.history.currentRevision });
    const second = (): number => this.#seen[1]?.atMs ?? Number.POSITIVE_INFINITY;
    while (nowMs - second() >= this.policy.retention) this.#seen.shift();
  }

  #onDone(nowMs: number): void {
    this.#dueMs = this.policy.mode === "revision" ? 0 : nowMs + this.#intervalMs;
  }
}

export function historyOf(member: Member): CompactedHistory {
  return {
    get isLeader() {
      return member.replica.isLeader;
    },
    get currentRevision() {
      return member.replica.state.space.currentRevision;
    },
    get compactRevision() {
      return member.replica.state.space.compactRevision;
    },
    compact: (revision) => member.replica.propose({ compaction: { revision, physical: false } }),
  };
}
