import type { EventLoop } from "../world/event-loop.js";

/** When faults come, which, and how many came. */
export class FaultSchedule<Fault extends string> {
  readonly counts = new Map<Fault, number>();
  #isStopped = false;

  constructor(
    readonly loop: EventLoop,
    private readonly options: { readonly faultEveryMs: number; readonly faults: readonly Fault[] },
  ) {}

  /** One after the other, until it is stopped. */
  start(inject: (kind: Fault) => void): void {
    const { loop, options } = this;
    loop.after(loop.between(1, 2 * options.faultEveryMs), () => {
      if (this.#isStopped) return;
      const kind = loop.pick(options.faults);
      loop.trace(`fault ${kind}`);
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      inject(kind);
      this.start(inject);
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Nothing is left to repair once it is stopped: who stops it repairs all. */
  later(ms: number, repair: () => void): void {
    this.loop.after(ms, () => {
      if (!this.#isStopped) repair();
    });
  }
}
