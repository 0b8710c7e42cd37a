/**
 * First-in first-out queue of at most `capacity` items between one or more producers and one consumer loop.
 * A full queue makes `offer` return false: the producer decides what to drop or close.
 */
export class BoundedQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #head = 0;
  #waiting: { resolve: (result: IteratorResult<T, undefined>) => void; reject: (reason: unknown) => void }[] = [];
  #state: { name: "open" } | { name: "closed" } | { name: "failed"; reason: unknown } = { name: "open" };

  constructor(readonly capacity: number) {}

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** True when accepted, false when full or no longer open. */
  offer(item: T): boolean {
    if (this.#state.name !== "open") return false;
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: item });
      return true;
    }
    if (this.size >= this.capacity) return false;
    this.#items.push(item);
    return true;
  }

  /** No more items; the consumer drains what is queued and then ends. */
  close(): void {
    if (this.#state.name !== "open") return;
    this.#state = { name: "closed" };
    for (const waiter of this.#waiting.splice(0)) waiter.resolve({ done: true, value: undefined });
  }

  /** Drops what is queued and makes the consumer throw `reason`. */
  fail(reason: unknown): void {
    if (this.#state.name !== "open") return;
    this.#state = { name: "failed", reason };
    this.#items = [];
    this.#head = 0;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(reason);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.size > 0) {
      const value = this.#items[this.#head] as T;
      this.#items[this.#head] = undefined as T;
      this.#head += 1;
      if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
        this.#items = this.#items.slice(this.#head);
        this.#head = 0;
      }
      return Promise.resolve({ done: false, value });
    }
    if (this.#state.name === "failed") return Promise.reject(this.#state.reason as Error);
    if (this.#state.name === "closed") return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => this.next(),
      return: () => {
        this.close();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}
