// Notices that a write of the raft log does not come to its end: the disk stands still.
//
// Not:   what is done about it besides asking for a successor (replica), writes that fail (they end the replica).
// A leader needs no disk of its own to send heartbeats, so that nobody else would notice: it would lead on, and commit on its followers'
// disks what it cannot apply itself.
import type { Clock, Logger } from "@lenj/base";

export interface LogStallOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** A write that is under way for longer is a stall. */
  readonly boundMs: number;
  /** Called while the stall lasts, once per `boundMs`, beginning with its discovery. */
  onStalled(): void;
}

export class LogStall {
  #writingSinceMs: number | undefined;
  #askedMs: number | undefined;
  /** Stalls noticed so far. */
  count = 0;

  constructor(private readonly options: LogStallOptions) {}

  /** A write is under way for longer than the bound. Requests that need one are of no use here. */
  get isStalled(): boolean {
    return this.#askedMs !== undefined;
  }

  onWriteStarted(nowMs: number): void {
    this.#writingSinceMs = nowMs;
  }

  onWriteEnded(nowMs: number): void {
    if (this.isStalled) this.options.logger.info("The disk goes on: a write of the raft log has ended", { tookMs: this.#tookMs(nowMs) });
    this.#writingSinceMs = undefined;
    this.#askedMs = undefined;
  }

  /** To be called regularly. */
  look(): void {
    const { clock, logger, boundMs, onStalled } = this.options;
    if (this.#writingSinceMs === undefined) return;
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#askedMs ?? this.#writingSinceMs) < boundMs) return;
    if (!this.isStalled) {
      this.count += 1;
      logger.warn("The disk is stalled: a write of the raft log does not end. Refusing requests until it does", {
        tookMs: this.#tookMs(nowMs),
        boundMs,
      });
    }
    this.#askedMs = nowMs;
    onStalled();
  }

  #tookMs(nowMs: number): number {
    return Math.round(nowMs - (this.#writingSinceMs ?? nowMs));
  }
}
