import type { Answer } from "../core/answers.js";
import { requestNumberLimit } from "../core/command.js";
import type { RequestMarks } from "./request-times.js";

export interface Pending extends RequestMarks {
  sizeBytes: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Requests of this member that wait for their log entry to be applied.
 *
 * Q1. Numbers start at a random point at each start of the process, so that entries of an earlier life find nobody waiting.
 */
export class PendingRequests {
  readonly #waiting = new Map<number, Pending>();
  #next: number;
  #sizeBytes = 0;

  constructor(firstNumber: number) {
    this.#next = firstNumber % requestNumberLimit;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(pending: Pending): number {
    const number = this.#next;
    this.#next = (number + 1) % requestNumberLimit;
    this.#waiting.set(number, pending);
    return number;
  }

  /** The command in memory, which spares decoding it again. */
  get(number: number): Pending | undefined {
    return this.#waiting.get(number);
  }

  /** Notes how large a request is. False when all that wait would be larger than `bytesMax` with it; then it is not noted. */
  weigh(number: number, sizeBytes: number, bytesMax: number): boolean {
    const pending = this.#waiting.get(number);
    if (pending === undefined || this.#sizeBytes + sizeBytes > bytesMax) return false;
    pending.sizeBytes = sizeBytes;
    this.#sizeBytes += sizeBytes;
    return true;
  }

  take(number: number): Pending | undefined {
    const pending = this.#waiting.get(number);
    if (pending === undefined) return undefined;
    this.#waiting.delete(number);
    this.#sizeBytes -= pending.sizeBytes;
    return pending;
  }

  /** Those that came before then: the oldest stand first. */
  takeOlder(beforeMs: number): Pending[] {
    const older: Pending[] = [];
    for (const [number, pending] of this.#waiting) {
      if (pending.arrivedMs >= beforeMs) break;
      this.take(number);
      older.push(pending);
    }
    return older;
  }

  failAll(error: unknown): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#sizeBytes = 0;
    for (const pending of waiting) pending.reject(error);
  }
}
