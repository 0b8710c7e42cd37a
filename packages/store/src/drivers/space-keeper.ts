// Gives the disk back what compactions freed: LevelDB keeps deleted rows until it happens to rewrite the files that hold them.
//
// S1. Files are rewritten in the background; reads and writes go on meanwhile.
// S2. At most one rewrite at a time, and none before much is to be won: a rewrite costs as much as it keeps.
import type { Clock, Logger, Timer } from "@lenj/base";
import type { LevelBackend } from "./level/level-backend.js";

const lookEveryMs = 10_000;
/** What must be to win: so many bytes, and as many as are in use. */
const wonBytesMin = 32 * 1024 * 1024;
const everything = [new Uint8Array(0), Uint8Array.of(0xff)] as const;

export class SpaceKeeper {
  #timer: Timer | undefined;
  #closed = false;
  #looking: Promise<void> = Promise.resolve();
  /** Times that files were rewritten. */
  rewrites = 0;

  constructor(
    private readonly backend: Pick<LevelBackend, "database">,
    private readonly bytesInUse: () => number,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.#timer = this.clock.after(lookEveryMs, () => {
      this.#looking = this.look()
        .catch((error: unknown) => this.logger.warn("Cannot give space back", { error }))
        .finally(() => {
          if (!this.#closed) this.start();
        });
    });
  }

  /** Resolves once nothing of it uses the database any more. */
  close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    return this.#looking;
  }

  /** Rewrites the files when much of them is not in use. */
  async look(): Promise<void> {
    const { database } = this.backend;
    const usedBytes = this.bytesInUse();
    const beforeBytes = await database.approximateSize(...everything);
    if (beforeBytes - usedBytes < Math.max(wonBytesMin, usedBytes) || this.#closed) return;
    const startedMs = this.clock.monotonicMs();
    await database.compactRange(...everything);
    this.rewrites += 1;
    const afterBytes = await database.approximateSize(...everything);
    this.logger.info("Gave space back", { beforeBytes, afterBytes, tookMs: Math.round(this.clock.monotonicMs() - startedMs) });
  }
}
