// What a member serves from: taken out of service for damage, or for a whole state that arrived, opened anew, and back in service.
//
// Owns:  what is open, from the start of the member to its end.
// Not:   what replaces a damaged state (recovery), listening (member).
// V1. What is open is replaced as a whole; who serves from it looks it up at every call.
// V2. Out of service, it answers nobody: for raft it is a member that is down.
// V3. A refilled member clears its mark only once the cluster knows, and it holds all that was committed when it asked.
import { etcdserverpb } from "@lenj/proto/etcd";
import type { FetchStateRequest, SnapshotChunk } from "@lenj/proto/raft";
import { differs, type HashReport } from "./core/compare-hashes.js";
import { StoreError } from "./core/errors.js";
import type { LevelBackend } from "./drivers/level/level-backend.js";
import type { Recovery } from "./recovery.js";
import type { Replica } from "./replica/replica.js";
import { hashKeySpace } from "./services/data-hash.js";

const finishRetryMs = 1_000;

export interface ServedData {
  readonly replica: Replica;
  readonly backend: LevelBackend;
  readonly transport: { stateFor(request: FetchStateRequest): Promise<AsyncIterable<SnapshotChunk>> };
}

/** The member around it. */
export interface ServiceOwner<Opened> {
  /** Starts what has been opened. */
  attach(opened: Opened): void;
  /** Streams of clients hang on what is closed. */
  closeStreams(): void;
  /** It cannot go on. */
  fail(error: Error): void;
}

export class InService<Opened extends ServedData> {
  #opened: Opened;
  /** Runs while this member is out of service; settles when it is back or has failed. */
  #recovery: Promise<void> | undefined;
  #isOpen = true;
  readonly #closing = new AbortController();

  constructor(
    readonly recovery: Recovery<Opened>,
    readonly owner: ServiceOwner<Opened>,
    opened: Opened,
  ) {
    this.#opened = opened;
  }

  get opened(): Opened {
    return this.#opened;
  }

  get isOut(): boolean {
    return this.#recovery !== undefined;
  }

  /** Aborted when the member closes. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Its data is known to be damaged and not replaced yet, or the cluster does not know that it is. */
  get isQuarantined(): boolean {
    return this.recovery.parts.mark.read() !== undefined;
  }

  start(): void {
    const { replica, backend } = this.#opened;
    backend.database.onDamaged = (error) => this.#quarantine(error.message);
    replica.failed
      .then((error) => {
        if (this.#recovery === undefined) this.owner.fail(error);
      })
      .catch(() => {});
    this.owner.attach(this.#opened);
    if (this.isQuarantined) this.#finishRefill();
  }

  /** What waits ends; to be followed by close(). */
  abort(): void {
    this.#closing.abort(new StoreError("STOPPED"));
  }

  async close(): Promise<void> {
    await this.#recovery?.catch(() => {});
    if (this.#isOpen) await this.recovery.parts.close(this.#opened);
  }

  async localHash(revision: number): Promise<HashReport> {
    const { backend, replica } = this.#opened;
    return { memberID: this.recovery.parts.memberID, ...(await hashKeySpace(backend, replica.state.space, revision)) };
  }

  /** As localHash, and as new as anything acknowledged before the call. */
  async currentHash(revision: number): Promise<HashReport> {
    await this.#opened.replica.linearizable();
    return this.localHash(revision);
  }

  /** Takes this member out of service if its data differs from the majority's, until it has the leader's state. Returns whether it does. */
  async quarantine(majority: HashReport): Promise<boolean> {
    if (this.#recovery !== undefined) return true;
    const own = await this.localHash(majority.hashRevision);
    if (!differs(own, majority)) return false;
    this.#quarantine(
      `its hash at revision ${own.hashRevision} is ${own.hash}, that of most members ${majority.hash} (compacted at ${own.compactRevision})`,
    );
    return true;
  }

  /** Only a leader that others confirm gives its state away. */
  async leadersState(request: FetchStateRequest): Promise<AsyncIterable<SnapshotChunk>> {
    const { replica, transport } = this.#opened;
    if (!replica.isLeader) throw new StoreError("NOT_LEADER");
    await replica.linearizable();
    return transport.stateFor(request);
  }

  /** Out of service until the data is open again, on what came in meanwhile if that is better. What cannot be opened ends the member. */
  reopen(): Promise<void> {
    this.#recovery ??= this.#doReopen().then(
      () => {
        this.#recovery = undefined;
      },
      (error: unknown) => {
        if (!this.closing.aborted) this.owner.fail(error as Error);
        throw error;
      },
    );
    return this.#recovery;
  }

  /** The damage is known: nothing more is answered from here until the state is the leader's. */
  #quarantine(reason: string): void {
    if (this.#recovery !== undefined || this.closing.aborted) return;
    const known = this.#opened.replica.state.members.list().map(({ id, peerUrls: peerURLs }) => ({ id, peerURLs }));
    try {
      this.recovery.quarantine(reason, known);
    } catch (error) {
      this.owner.fail(error as Error);
      return;
    }
    this.reopen().catch(() => {});
  }

  async #doReopen(): Promise<void> {
    this.owner.closeStreams();
    await this.recovery.parts.close(this.#opened);
    this.#isOpen = false;
    const opened = await this.recovery.openOrRefill(this.closing);
    // Streams that began meanwhile hang on the state that is gone.
    this.owner.closeStreams();
    this.#opened = opened;
    this.#isOpen = true;
    this.start();
  }

  /** The state is the leader's: nothing speaks against this member any more. */
  #finishRefill(): void {
    const { replica } = this.#opened;
    const { mark, memberID, name, clock, logger } = this.recovery.parts;
    const { AlarmRequest_AlarmAction: AlarmAction, AlarmType } = etcdserverpb;
    const finish = async (): Promise<void> => {
      await replica.linearizable();
      if (replica.state.alarms.list(AlarmType.CORRUPT).some((alarm) => alarm.memberID === memberID))
        await replica.propose({ alarm: { action: AlarmAction.DEACTIVATE, memberID, alarm: AlarmType.CORRUPT } });
      // Damage that was found meanwhile has a mark of its own.
      if (replica !== this.#opened.replica || this.isOut) return;
      mark.clear();
      logger.info("Back from quarantine", { member: memberID.toString(16), name, appliedIndex: replica.appliedIndex });
    };
    finish().catch(() => {
      clock.after(finishRetryMs, () => {
        if (replica === this.#opened.replica && !this.closing.aborted) this.#finishRefill();
      });
    });
  }
}
