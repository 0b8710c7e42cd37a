/** What waits in one process for the other; its promises settle in that process only. */
export class Inbox<T> {
  readonly #items: T[] = [];
  #isOver = false;
  #wake = (): void => {};

  constructor(readonly run: (action: () => void) => void) {}

  put(item: T): void {
    this.run(() => {
      if (!this.#isOver) this.#items.push(item);
      this.#wake();
    });
  }

  /** What came before is still there to be taken. */
  close(): void {
    this.run(() => {
      this.#isOver = true;
      this.#wake();
    });
  }

  async take(): Promise<T | undefined> {
    for (;;) {
      const next = this.#items.shift();
      if (next !== undefined || this.#isOver) return next;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
