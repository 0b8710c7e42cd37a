// Reads what watches that fell behind have missed, some of it a turn, so that requests are served meanwhile.
//
// C1. What cannot be read is told to the owner, and nothing more is read.
import { type KeySpace, WatchHub } from "@lenj/mvcc";

export class CatchUp {
  readonly watches: WatchHub;
  #isScheduled = false;
  #isClosed = false;

  constructor(
    space: KeySpace,
    private readonly nextTurn: (run: () => void) => void,
    private readonly onFailed: (error: unknown) => void,
  ) {
    this.watches = new WatchHub(space, () => this.#schedule());
  }

  close(): void {
    this.#isClosed = true;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.nextTurn(() => {
      this.#isScheduled = false;
      if (this.#isClosed) return;
      try {
        if (this.watches.catchUp()) this.#schedule();
      } catch (error) {
        this.onFailed(error);
      }
    });
  }
}
