// What passes between this member and each of the others, in numbers for the metrics.
//
// Owns:  the numbers. They outlive connections and replaced states: the member keeps them as long as it runs.
import { CountingHistogram, doubling } from "../../core/counting-histogram.js";

/** Of snapshots in one direction. */
export class SnapshotCounts {
  inflight = 0;
  succeeded = 0;
  failed = 0;
  /** Of rows, in all transfers. */
  bytes = 0;
  /** Transfers that went on where one before broke off. */
  resumed = 0;
  /** In milliseconds. Upstream's buckets. */
  readonly took = new CountingHistogram(doubling(100, 10));
}

export function onSnapshotOver(counts: SnapshotCounts, ok: boolean, tookMs: number): void {
  counts.inflight -= 1;
  if (ok) {
    counts.succeeded += 1;
    counts.took.observe(tookMs);
  } else counts.failed += 1;
}

export class PeerCount {
  sentBytes = 0;
  receivedBytes = 0;
  /** Messages that found no connection, or a full one. */
  sendFailures = 0;
  /** Connections that were lost. */
  disconnects = 0;
  isConnected = false;
  /** From a leader's heartbeat to its answer, in milliseconds. Upstream's buckets. */
  readonly roundTrips = new CountingHistogram(doubling(0.1, 16));
  readonly snapshotsSent = new SnapshotCounts();
  readonly snapshotsReceived = new SnapshotCounts();
  #heartbeatSentMs: number | undefined;

  onHeartbeatSent(nowMs: number): void {
    this.#heartbeatSentMs ??= nowMs;
  }

  onHeartbeatAnswered(nowMs: number): void {
    if (this.#heartbeatSentMs !== undefined) this.roundTrips.observe(nowMs - this.#heartbeatSentMs);
    this.#heartbeatSentMs = undefined;
  }

  /** What was on the connection is lost, the answer to a heartbeat too. */
  onConnection(isConnected: boolean): void {
    if (this.isConnected && !isConnected) this.disconnects += 1;
    this.isConnected = isConnected;
    this.#heartbeatSentMs = undefined;
  }
}

/** Who says who it is is not believed yet: past so many, the rest are counted as one. */
const peersMax = 64;
const others = 0n;

export class PeerCounts {
  readonly #peers = new Map<bigint, PeerCount>();
  /** Of a state that arrives from the leader, in milliseconds: all of it, and making it durable at its end. Upstream's buckets. */
  readonly stateSaved = new CountingHistogram(doubling(100, 10));
  readonly stateSynced = new CountingHistogram(doubling(1, 14));

  of(id: bigint): PeerCount {
    const found = this.#peers.get(id);
    if (found !== undefined) return found;
    if (this.#peers.size >= peersMax && id !== others) return this.of(others);
    const count = new PeerCount();
    this.#peers.set(id, count);
    return count;
  }

  entries(): Iterable<readonly [id: bigint, count: PeerCount]> {
    return this.#peers;
  }
}
