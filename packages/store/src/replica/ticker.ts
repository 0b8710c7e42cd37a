// Lets time pass for the raft core, and notes when a leader's heartbeats come late.
import type { Clock, Logger, Timer } from "@lenj/base";

/** As upstream logs it: operators look for these words. */
const lateText = "leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk";

export interface TickerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatMs: number;
  isLeader(): boolean;
  onTick(): void;
}

export class Ticker {
  #timer: Timer | undefined;
  #dueMs = 0;
  /** Times that this member, as leader, came more than a heartbeat's time too late. */
  lateHeartbeats = 0;

  constructor(private readonly options: TickerOptions) {}

  start(): void {
    const { clock, heartbeatMs } = this.options;
    this.#dueMs = clock.monotonicMs() + heartbeatMs;
    this.#timer = clock.after(heartbeatMs, () => this.#tick());
  }

  close(): void {
    this.#timer?.cancel();
  }

  #tick(): void {
    const { clock, logger, heartbeatMs, isLeader, onTick } = this.options;
    const lateMs = clock.monotonicMs() - this.#dueMs;
    this.start();
    if (lateMs > heartbeatMs && isLeader()) {
      this.lateHeartbeats += 1;
      logger.warn(lateText, { lateMs: Math.round(lateMs), heartbeatMs });
    }
    onTick();
  }
}
