import { CountingHistogram, doubling } from "../core/counting-histogram.js";

/** Long work that a client asks for. */
export type Work = "hash" | "hashRevision" | "snapshot" | "defragment";

/** How much of it is under way, and how long it took, in milliseconds. Buckets are upstream's. */
export class WorkTimes {
  readonly took: Readonly<Record<Work, CountingHistogram>> = {
    hash: new CountingHistogram(doubling(10, 15)),
    hashRevision: new CountingHistogram(doubling(10, 15)),
    snapshot: new CountingHistogram(doubling(10, 17)),
    defragment: new CountingHistogram(doubling(100, 13)),
  };
  readonly inflight: Record<Work, number> = { hash: 0, hashRevision: 0, snapshot: 0, defragment: 0 };

  constructor(private readonly nowMs: () => number) {}

  async run<T>(work: Work, run: () => Promise<T>): Promise<T> {
    const startedMs = this.nowMs();
    this.inflight[work] += 1;
    try {
      return await run();
    } finally {
      this.inflight[work] -= 1;
      this.took[work].observe(this.nowMs() - startedMs);
    }
  }
}
