// The leader's duty to leases: revoking those whose time is up and writing down how much the others have left;
// and, on any member, asking the leader for what only it knows.
import type { Clock, Logger, Timer } from "@lenj/base";
import { rootName } from "../core/auth/auth-state.js";
import type { Command } from "../core/command.js";
import { StoreError } from "../core/errors.js";
import type { Replica } from "../replica/replica.js";
import type { LeaseKeeperPort } from "../services/context.js";

const scanIntervalMs = 500;
const revokesPerScan = 1_000;
const revokeRetryMs = 3_000;
const defaultCheckpointEverySeconds = 300;
const checkpointsPerScan = 1_000;
const leaderWaitMs = 50;

/** Asks another member; see proto/raft. Rejects when it does not answer. */
export interface LeaseForwarder {
  renewAt(leaderID: bigint, id: bigint): Promise<number | undefined>;
  timesAt(leaderID: bigint, id: bigint): Promise<{ readonly remainingSeconds: number; readonly grantedSeconds: number } | undefined>;
}

export class LeaseKeeper implements LeaseKeeperPort {
  #timer: Timer | undefined;
  #closed = false;
  /** Leases whose time was proposed to be written down: a renewal meanwhile does not see it yet, and it would outlive the renewal. */
  readonly #checkpointed = new Set<bigint>();
  /** By this member, as leader. */
  readonly counts = { renewed: 0, expired: 0 };

  constructor(
    readonly replica: Replica,
    readonly forwarder: LeaseForwarder,
    readonly clock: Clock,
    readonly logger: Logger,
    /** A lease's remaining time is written down each time it has run for this long. */
    readonly checkpointEverySeconds: number = defaultCheckpointEverySeconds,
  ) {}

  start(): void {
    this.#timer = this.clock.after(scanIntervalMs, () => {
      this.#scan();
      if (!this.#closed) this.start();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  renew(id: bigint): Promise<number | undefined> {
    return this.#atLeader(
      () => this.localRenew(id),
      (leaderID) => this.forwarder.renewAt(leaderID, id),
    );
  }

  times(id: bigint): Promise<{ readonly remainingSeconds: number; readonly grantedSeconds: number } | undefined> {
    return this.#atLeader(
      () => Promise.resolve(this.localTimes(id)),
      (leaderID) => this.forwarder.timesAt(leaderID, id),
    );
  }

  /**
   * On the leader only. A leader cut off from the others must not extend what they may already have revoked, and a new one must have
   * applied the grant before it says that there is no such lease: so it asks the others first.
   */
  async localRenew(id: bigint): Promise<number | undefined> {
    await this.replica.linearizable();
    while (this.#isWrittenDown(id)) await this.#forgetWritten(id);
    if (!this.replica.isLeader) throw new StoreError("NOT_LEADER");
    const lease = this.replica.state.leases.renew(id, this.clock.monotonicMs());
    if (lease !== undefined) this.counts.renewed += 1;
    return lease?.ttlSeconds;
  }

  #isWrittenDown(id: bigint): boolean {
    return (this.replica.state.leases.get(id)?.remainingSeconds ?? 0) > 0 || this.#checkpointed.has(id);
  }

  /** What was written down of the time before a renewal must not outlive it: the next leader would count from there. */
  async #forgetWritten(id: bigint): Promise<void> {
    this.#checkpointed.delete(id);
    try {
      await this.replica.propose({ leaseCheckpoint: { checkpoints: [{ ID: id, remainingTTL: 0 }] } });
    } catch (error) {
      this.#checkpointed.add(id);
      throw error;
    }
  }

  /** On the leader only. */
  localTimes(id: bigint): { readonly remainingSeconds: number; readonly grantedSeconds: number } | undefined {
    if (!this.replica.isLeader) throw new StoreError("NOT_LEADER");
    const { leases } = this.replica.state;
    const lease = leases.get(id);
    return lease === undefined
      ? undefined
      : { remainingSeconds: leases.remainingSeconds(lease, this.clock.monotonicMs()), grantedSeconds: lease.ttlSeconds };
  }

  /** Asks whoever leads, again after a change of leader, until the request's time is up. */
  async #atLeader<T>(here: () => Promise<T>, there: (leaderID: bigint) => Promise<T>): Promise<T> {
    const deadlineMs = this.clock.monotonicMs() + this.replica.requestTimeoutMs;
    for (;;) {
      const { leaderID } = this.replica;
      try {
        if (leaderID !== 0n) return await (this.replica.isLeader ? here() : there(leaderID));
      } catch (error) {
        if (this.clock.monotonicMs() >= deadlineMs || this.#closed) throw error;
      }
      if (this.clock.monotonicMs() >= deadlineMs || this.#closed) throw new StoreError("NO_LEADER");
      await new Promise<void>((resolve) => this.clock.after(leaderWaitMs, resolve));
    }
  }

  /** A leader that was paused may be none any more: it asks the others before it acts on its own clock. */
  async #revoke(ids: readonly bigint[]): Promise<void> {
    await this.replica.linearizable();
    const { leases } = this.replica.state;
    const isOverdue = (id: bigint): boolean => (leases.get(id)?.expiryMs ?? Number.POSITIVE_INFINITY) <= this.clock.monotonicMs();
    if (!this.replica.isLeader) return;
    const overdue = ids.filter(isOverdue);
    this.counts.expired += overdue.length;
    await Promise.all(overdue.map((ID) => this.replica.propose({ ...this.#asRoot(), leaseRevoke: { ID } })));
  }

  /** What expiry deletes belongs to anybody: with authentication on, only root may. */
  #asRoot(): Pick<Command, "header"> {
    const { auth } = this.replica.state;
    return auth.isEnabled ? { header: { ID: 0n, username: rootName, authRevision: auth.revision } } : {};
  }

  #scan(): void {
    const { leases } = this.replica.state;
    for (const id of this.#checkpointed) if (leases.get(id) === undefined) this.#checkpointed.delete(id);
    if (!this.replica.isLeader) return;
    const nowMs = this.clock.monotonicMs();
    const ignore = (error: unknown): void => this.logger.debug("Lease upkeep failed", { error });
    const expired = leases.takeExpired(nowMs, revokesPerScan, revokeRetryMs);
    if (expired.length > 0) this.#revoke(expired).catch(ignore);
    const checkpoints = leases.checkpointsDue(nowMs, this.checkpointEverySeconds, checkpointsPerScan);
    if (checkpoints.length === 0) return;
    const leaseCheckpoint = { checkpoints: checkpoints.map(({ id, remainingSeconds }) => ({ ID: id, remainingTTL: remainingSeconds })) };
    for (const { id } of checkpoints) this.#checkpointed.add(id);
    this.replica.propose({ leaseCheckpoint }).catch(ignore);
  }
}
