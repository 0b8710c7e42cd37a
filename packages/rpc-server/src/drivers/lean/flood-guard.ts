import type { Clock } from "@lenj/base";
import { ConnectionError, errorCode } from "./frames.js";
import { idleFrameBurst, idleFramesPerSecond, ownResetsRemembered, resetBurst, resetsPerSecond } from "./limits.js";
import { RateBudget } from "./rate-budget.js";

/** Ends connections that make work and get nothing done. */
export class FloodGuard {
  readonly #resets: RateBudget;
  readonly #idleFrames: RateBudget;
  readonly #ownResets = new Set<number>();

  constructor(clock: Clock) {
    this.#resets = new RateBudget(clock, resetBurst, resetsPerSecond);
    this.#idleFrames = new RateBudget(clock, idleFrameBurst, idleFramesPerSecond);
  }

  /** A stream was reset: by the client, or by us because the client made it necessary (CVE-2025-8671). */
  onReset(): void {
    if (!this.#resets.spend()) throw new ConnectionError(errorCode.enhanceYourCalm, "too_many_resets");
  }

  /** A frame that carries nothing. */
  onIdleFrame(): void {
    if (!this.#idleFrames.spend()) throw new ConnectionError(errorCode.enhanceYourCalm, "too_many_idle_frames");
  }

  onCallEnded(): void {
    this.#resets.giveBack();
  }

  rememberOwnReset(streamID: number): void {
    this.#ownResets.add(streamID);
    if (this.#ownResets.size <= ownResetsRemembered) return;
    const [oldest] = this.#ownResets;
    if (oldest !== undefined) this.#ownResets.delete(oldest);
  }

  /** Frames of this stream may have been under way when we reset it. */
  wasResetByUs(streamID: number): boolean {
    return this.#ownResets.has(streamID);
  }
}
