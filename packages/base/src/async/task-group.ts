/**
 * Owner of background loops. Tasks get the group's signal; `close()` aborts it and waits for all of them.
 * The first task that fails aborts the group, and `failed` resolves with its error (never rejects).
 */
export class TaskGroup {
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly failed: Promise<Error>;
  #reportFailure!: (error: Error) => void;
  #closed: Promise<void> | undefined;

  constructor() {
    this.failed = new Promise((resolve) => {
      this.#reportFailure = resolve;
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Starts `task` now. An error after the group was closed is the abort itself and is not reported. */
  run(name: string, task: (signal: AbortSignal) => Promise<void>): void {
    const promise = task(this.signal)
      .catch((cause: unknown) => {
        if (this.signal.aborted) return;
        const error = new Error(`Task ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
        this.#reportFailure(error);
        this.#abort.abort(error);
      })
      .finally(() => this.#running.delete(promise));
    this.#running.add(promise);
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#abort.abort(new Error("Task group closed"));
      while (this.#running.size > 0) await Promise.all(this.#running);
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
