// A queue between one pushing producer and one pulling consumer that tells the producer when to pause.

/** Unread items at which the producer is asked to pause, and at which it may go on. */
const pauseAbove = 1_024;
const resumeBelow = 256;

export class EventQueue<T> {
  #items: T[] = [];
  #head = 0;
  #waiting: { resolve: (result: IteratorResult<T, undefined>) => void; reject: (reason: unknown) => void } | undefined;
  #end: { readonly reason: unknown } | undefined;

  /** `onDrained` is called when a queue that was full has been read down. */
  constructor(private readonly onDrained: () => void) {}
  #wasFull = false;

  get isFull(): boolean {
    return this.#items.length - this.#head >= pauseAbove;
  }

  push(item: T): void {
    if (this.#end !== undefined) return;
    if (this.#waiting !== undefined) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting.resolve({ done: false, value: item });
      return;
    }
    this.#items.push(item);
    if (this.isFull) this.#wasFull = true;
  }

  /** What is queued is still delivered; then the consumer throws `reason`. */
  fail(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#head < this.#items.length) {
      const value = this.#items[this.#head] as T;
      this.#items[this.#head] = undefined as T;
      this.#head += 1;
      if (this.#head === this.#items.length || this.#head > pauseAbove) {
        this.#items = this.#items.slice(this.#head);
        this.#head = 0;
      }
      if (this.#wasFull && this.#items.length - this.#head < resumeBelow) {
        this.#wasFull = false;
        this.onDrained();
      }
      return Promise.resolve({ done: false, value });
    }
    if (this.#end !== undefined) return Promise.reject(this.#end.reason as Error);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }
}
