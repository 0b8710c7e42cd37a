import { createHash } from "node:crypto";
import { SeededRandom } from "@lenj/base";

interface Scheduled {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

/**
 * Virtual time: a heap of events, run in order of due time and then of scheduling. Everything random in a run comes from `random`, and
 * every event leaves a line in the trace, so that two runs of one seed can be compared by hash.
 *
 * V1. Time never goes back, and nothing runs but through the heap.
 */
export class EventLoop {
  readonly random: SeededRandom;
  nowMs = 0;
  eventsRun = 0;
  /** Gets each trace line; for looking at a failing seed. */
  onTrace: ((line: string) => void) | undefined;
  #sequence = 0;
  readonly #heap: Scheduled[] = [];
  readonly #hash = createHash("sha256");

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  after(delayMs: number, run: () => void): void {
    this.#push({ atMs: this.nowMs + Math.max(0, delayMs), sequence: this.#sequence++, run });
  }

  /** A whole number of milliseconds in [low, high]. */
  between(low: number, high: number): number {
    return low + this.random.below(high - low + 1);
  }

  /** True with the given chance in a thousand. */
  chance(perMille: number): boolean {
    return this.random.below(1000) < perMille;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)] as T;
  }

  /** Records something that happened; the run's identity is the sequence of these. */
  trace(line: string): void {
    const full = `${this.nowMs} ${line}\n`;
    this.#hash.update(full);
    this.onTrace?.(full);
  }

  runUntil(endMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= endMs; next = this.#heap[0]) {
      this.#pop();
      this.nowMs = next.atMs;
      this.eventsRun += 1;
      next.run();
    }
    this.nowMs = endMs;
  }

  /** As runUntil, for events whose work goes on in promises: all of it is over before the next event begins. Ends early when told so. */
  async runSettledUntil(endMs: number, isOver: () => boolean): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= endMs; next = this.#heap[0]) {
      this.#pop();
      this.nowMs = next.atMs;
      this.eventsRun += 1;
      next.run();
      await settled();
      if (isOver()) return;
    }
    this.nowMs = endMs;
  }

  traceHash(): string {
    return this.#hash.copy().digest("hex").slice(0, 16);
  }

  #push(item: Scheduled): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent] as Scheduled, item)) break;
      heap[at] = heap[parent] as Scheduled;
      at = parent;
    }
    heap[at] = item;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Scheduled;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child += 1;
      if (isBefore(last, heap[child] as Scheduled)) break;
      heap[at] = heap[child] as Scheduled;
      at = child;
    }
    heap[at] = last;
  }
}

/** Resolves when no promise has anything left to do: no timer or socket is behind any of them. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const isBefore = (a: Scheduled, b: Scheduled): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
