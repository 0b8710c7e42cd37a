// Expectations: what a controller has asked for and not yet seen in its cache, so that it does not ask twice.
//
// E1. While an expectation is open the controller does not create or delete for that owner.
// E2. An expectation closes when everything was observed, or after five minutes (an event was lost).
// E3. Deletions are counted by object, so that a deletion seen twice counts once.
// Upstream: pkg/controller/controller_utils.go UIDTrackingControllerExpectations.
import type { Clock } from "@lenj/base";

const EXPIRE_AFTER_MS = 300_000;

interface Expectation {
  creations: number;
  readonly deletions: Set<string>;
  readonly setAtMs: number;
}

export class Expectations {
  readonly #byOwner = new Map<string, Expectation>();

  constructor(readonly clock: Clock) {}

  /** True when nothing is outstanding for `owner`, or it has been for too long. */
  isSatisfied(owner: string): boolean {
    const expectation = this.#byOwner.get(owner);
    if (expectation === undefined) return true;
    if (expectation.creations <= 0 && expectation.deletions.size === 0) return true;
    return this.clock.monotonicMs() - expectation.setAtMs > EXPIRE_AFTER_MS;
  }

  expectCreations(owner: string, count: number): void {
    this.#byOwner.set(owner, { creations: count, deletions: new Set(), setAtMs: this.clock.monotonicMs() });
  }

  expectDeletions(owner: string, keys: readonly string[]): void {
    this.#byOwner.set(owner, { creations: 0, deletions: new Set(keys), setAtMs: this.clock.monotonicMs() });
  }

  /** A creation was seen, or will never be because it failed. */
  onCreation(owner: string, count = 1): void {
    const expectation = this.#byOwner.get(owner);
    if (expectation !== undefined) expectation.creations -= count;
  }

  /** A deletion was seen, or will never be because it failed. */
  onDeletion(owner: string, key: string): void {
    this.#byOwner.get(owner)?.deletions.delete(key);
  }

  forget(owner: string): void {
    this.#byOwner.delete(owner);
  }
}
