// Keeps an eye on the space that is left: warns before it is gone, and takes the alarm back once there is room again.
//
// S1. The member that raised NOSPACE clears it; what others raised is theirs. One that somebody raised by hand, while this member had
//     room all along, stays until somebody clears it.
// S2. It clears well below the quota, so that the next writes do not raise it again at once.
import type { Clock, Logger, Timer } from "@lenj/base";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { Replica } from "../replica/replica.js";

const lookEveryMs = 1_000;
/** Shares of the quota at which it warns, once each time they are passed upwards. */
const warnAt = [0.8, 0.9] as const;
/** Share of the quota below which the alarm is taken back. */
const clearBelow = 0.9;
const { AlarmRequest_AlarmAction: AlarmAction, AlarmType } = etcdserverpb;

export class QuotaKeeper {
  #timer: Timer | undefined;
  #closed = false;
  #warned = 0;
  #wasFull: boolean;
  #isClearing = false;

  constructor(
    private readonly replica: Replica,
    /** Negative: no quota. */
    private readonly quotaBytes: number,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    // From an earlier life, perhaps under a smaller quota.
    this.#wasFull = this.#hasOwnAlarm();
  }

  /** Share of the quota that is in use; 0 without a quota. */
  get usedShare(): number {
    return this.quotaBytes <= 0 ? 0 : this.replica.state.space.bytesInUse / this.quotaBytes;
  }

  start(): void {
    if (this.quotaBytes <= 0) return;
    this.#timer = this.clock.after(lookEveryMs, () => {
      this.#look();
      if (!this.#closed) this.start();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #look(): void {
    const share = this.usedShare;
    this.#warn(share);
    const { alarms } = this.replica.state;
    // Room may have been made between two looks.
    if (share >= clearBelow || alarms.hasRunOutOfSpace) this.#wasFull = true;
    else if (this.#wasFull && this.#hasOwnAlarm()) this.#clear();
    else this.#wasFull = false;
    alarms.hasRunOutOfSpace = false;
  }

  #warn(share: number): void {
    const passed = warnAt.filter((limit) => share >= limit).length;
    if (passed > this.#warned)
      this.logger.warn("Space is running out", {
        usedPercent: Math.round(share * 100),
        usedBytes: this.replica.state.space.bytesInUse,
        quotaBytes: this.quotaBytes,
      });
    this.#warned = passed;
  }

  #clear(): void {
    if (this.#isClearing) return;
    this.#isClearing = true;
    const alarm = { action: AlarmAction.DEACTIVATE, memberID: this.replica.config.memberID, alarm: AlarmType.NOSPACE };
    this.replica
      .propose({ alarm })
      .then(
        () => this.logger.info("Cleared alarm", { alarm: "NOSPACE", usedBytes: this.replica.state.space.bytesInUse }),
        (error: unknown) => this.logger.warn("Cannot clear alarm yet", { alarm: "NOSPACE", error }),
      )
      .finally(() => {
        this.#isClearing = false;
      });
  }

  #hasOwnAlarm(): boolean {
    const { alarms } = this.replica.state;
    return alarms.list(AlarmType.NOSPACE).some(({ memberID }) => memberID === this.replica.config.memberID);
  }
}
