// Compares what every member holds, in the background: the leader asks for hashes of one revision, names who differs, raises CORRUPT for it
// and, when a majority agrees against it, has it take a whole state instead.
//
// Not:   whose data is right (core/compare-hashes), replacing it (member, drivers/peer/state-refill).
// Source: etcd server/etcdserver/corrupt.go. Upstream stops at the alarm.
import type { Clock, Logger, Timer } from "@lenj/base";
import { etcdserverpb } from "@lenj/proto/etcd";
import { type HashReport, judgeHashes } from "../core/compare-hashes.js";
import type { Replica } from "../replica/replica.js";

/** The member that checks, and its ways to the others. */
export interface CheckedMember {
  readonly replica: Pick<Replica, "config" | "state" | "isLeader" | "linearizable" | "propose">;
  localHash(revision: number): Promise<HashReport>;
  hashAt(id: bigint, revision: number): Promise<HashReport>;
  quarantineAt(id: bigint, majority: HashReport): Promise<boolean>;
  quarantine(majority: HashReport): Promise<boolean>;
}

export class CorruptionChecker {
  #timer: Timer | undefined;
  #closed = false;

  constructor(
    readonly member: CheckedMember,
    /** Milliseconds; 0: never. */
    readonly intervalMs: number,
    readonly clock: Clock,
    readonly logger: Logger,
  ) {}

  start(): void {
    if (this.intervalMs <= 0 || this.#closed) return;
    this.#timer = this.clock.after(this.intervalMs, () => {
      this.check()
        .catch((error: unknown) => this.logger.warn("Cannot compare the members' data", { error }))
        .finally(() => this.start());
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** One comparison; nothing unless this member leads. */
  async check(): Promise<void> {
    const { replica } = this.member;
    if (!replica.isLeader) return;
    await replica.linearizable();
    const own = await this.member.localHash(replica.state.space.currentRevision);
    const members = replica.state.members.list();
    const reports = await this.#reportsOf(
      members.map(({ id }) => id).filter((id) => id !== own.memberID),
      own.hashRevision,
    );
    const { differing, majority } = judgeHashes(own, reports, members.length);
    for (const id of differing) await this.#act(id, majority, own);
    if (differing.length === 0) this.logger.debug("Members hold the same data", { ...own, compared: reports.length + 1 });
  }

  /** Of the peers that answer; the others are compared next time. */
  async #reportsOf(ids: readonly bigint[], revision: number): Promise<HashReport[]> {
    const reports: HashReport[] = [];
    for (const id of ids) {
      try {
        reports.push(await this.member.hashAt(id, revision));
      } catch (error) {
        this.logger.warn("Cannot get a member's hash", { member: id.toString(16), revision, error });
      }
    }
    return reports;
  }

  async #act(id: bigint, majority: HashReport | undefined, own: HashReport): Promise<void> {
    const { replica } = this.member;
    const name = replica.state.members.get(id)?.name ?? "";
    const action = majority === undefined ? "no majority agrees: only the alarm is raised" : "it is to take the leader's state";
    const { hashRevision: revision, compactRevision } = own;
    this.logger.error("Found data inconsistency between members", { member: id.toString(16), name, revision, compactRevision, action });
    const { AlarmRequest_AlarmAction: AlarmAction, AlarmType } = etcdserverpb;
    if (!replica.state.alarms.list(AlarmType.CORRUPT).some(({ memberID }) => memberID === id))
      await replica.propose({ alarm: { action: AlarmAction.ACTIVATE, memberID: id, alarm: AlarmType.CORRUPT } });
    if (majority === undefined) return;
    await (id === replica.config.memberID ? this.member.quarantine(majority) : this.member.quarantineAt(id, majority));
  }
}
