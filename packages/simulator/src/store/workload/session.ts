import type { EventLoop } from "../../world/event-loop.js";
import type { StoreObserver } from "../checkers/store-observer.js";
import type { StoreCluster } from "../store-cluster.js";

/** What all clients of a run share. */
export interface Session {
  readonly loop: EventLoop;
  readonly cluster: StoreCluster;
  readonly observer: StoreObserver;
  /** Newest revision and compaction that any client was told of. */
  readonly told: { revision: number; compactRevision: number };
  nextID(): number;
}
