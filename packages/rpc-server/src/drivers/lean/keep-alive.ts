// Whether the other side is still there, and whether it asks us too often.
//
// Source: grpc-go's keepalive enforcement and server parameters, with the values that etcd gives them.
import type { Clock, Timer } from "@lenj/base";
import type { KeepAliveOptions } from "../../port.js";

export const etcdKeepAlive: KeepAliveOptions = { pingIntervalMsMin: 5_000, pingAfterMs: 2 * 3_600_000, pingTimeoutMs: 20_000 };

/** Pings of a client without open calls may come this often. */
const idlePingIntervalMsMin = 2 * 3_600_000;
/** So many pings too early are overlooked. */
const strikesMax = 2;

export interface KeepAliveActions {
  sendPing(): void;
  /** Nothing has come in answer. */
  onDead(): void;
  onIdle(): void;
  hasStreams(): boolean;
}

export class KeepAlive {
  #timer: Timer;
  #idle: Timer | undefined;
  #hasHeard = false;
  #isWaiting = false;
  #idleSinceMs: number;
  #strikes = 0;
  #lastPingMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    private readonly options: KeepAliveOptions,
    private readonly actions: KeepAliveActions,
  ) {
    this.#timer = this.#arm();
    this.#idleSinceMs = clock.monotonicMs();
    if (options.idleMsMax !== undefined) this.#armIdle(options.idleMsMax, options.idleMsMax);
  }

  close(): void {
    this.#timer.cancel();
    this.#idle?.cancel();
  }

  onBytes(): void {
    this.#hasHeard = true;
  }

  /** The last open call has ended. */
  onNoStreams(): void {
    if (this.options.idleMsMax !== undefined) this.#idleSinceMs = this.clock.monotonicMs();
  }

  /**
   * False: the client pings too often.
   * @param hasAnswered since the last ping we have sent something of a call, as a client measuring the line makes us do.
   */
  onPing(hasAnswered: boolean): boolean {
    const nowMs = this.clock.monotonicMs();
    const sinceMs = nowMs - this.#lastPingMs;
    this.#lastPingMs = nowMs;
    if (hasAnswered) {
      this.#strikes = 0;
      return true;
    }
    const leastMs = this.actions.hasStreams() ? this.options.pingIntervalMsMin : idlePingIntervalMsMin;
    if (sinceMs < leastMs) this.#strikes += 1;
    return this.#strikes <= strikesMax;
  }

  #arm(): Timer {
    this.#hasHeard = false;
    const delayMs = this.#isWaiting ? this.options.pingTimeoutMs : this.options.pingAfterMs;
    if (delayMs === Number.POSITIVE_INFINITY) return { cancel: () => {} };
    return this.clock.after(delayMs, () => {
      if (this.#hasHeard) this.#isWaiting = false;
      else if (this.#isWaiting) {
        this.actions.onDead();
        return;
      } else {
        this.#isWaiting = true;
        this.actions.sendPing();
      }
      this.#timer = this.#arm();
    });
  }

  #armIdle(delayMs: number, idleMsMax: number): void {
    this.#idle = this.clock.after(delayMs, () => {
      const leftMs = this.actions.hasStreams() ? idleMsMax : this.#idleSinceMs + idleMsMax - this.clock.monotonicMs();
      if (leftMs <= 0) this.actions.onIdle();
      else this.#armIdle(leftMs, idleMsMax);
    });
  }
}
