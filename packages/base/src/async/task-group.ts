/**
 * Owner of background loops. Each task gets a signal of its own; `close()` aborts them all and waits for the tasks.
 * The first task that fails aborts the group, and `failed` resolves with its error (never rejects).
 */
export class TaskGroup {
  readonly #abort = new AbortController();
  /** A signal for each task: what waits on one is that task's alone, so that its listeners stay few and a leak shows. */
  readonly #running = new Map<Promise<void>, AbortController>();
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
    const own = new AbortController();
    if (this.signal.aborted) own.abort(this.signal.reason);
    const promise = task(own.signal)
      .catch((cause: unknown) => {
        if (this.signal.aborted) return;
        const error = new Error(`Task ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
        this.#reportFailure(error);
        this.#abortAll(error);
      })
      .finally(() => this.#running.delete(promise));
    this.#running.set(promise, own);
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#abortAll(new Error("Task group closed"));
      while (this.#running.size > 0) await Promise.all(this.#running.keys());
    })();
    return this.#closed;
  }

  #abortAll(reason: Error): void {
    this.#abort.abort(reason);
    for (const own of this.#running.values()) own.abort(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
