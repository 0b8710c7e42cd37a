// Compares what every member holds, in the background: the leader asks for hashes of one revision, names who differs from the majority, raises
// CORRUPT for it and has it take a whole state instead.
//
// Not:   whose data is right (core/compare-hashes), replacing it (in-service, drivers/peer/state-refill).
// K1. Nobody is named without a majority: the leader's own data may be what is wrong. The alarm is then member 0's.
// K2. An alarm ends once a comparison shows that nothing is left of what it was raised for, whoever raised it and however late.
// Source: etcd server/etcdserver/corrupt.go. Upstream stops at the alarm, which is the operator's to end.
import type { Clock, Logger, Timer } from "@lenj/base";
import { etcdserverpb } from "@lenj/proto/etcd";
import { type HashReport, type Judgement, judgeHashes } from "../core/compare-hashes.js";
import type { Replica } from "../replica/replica.js";

const { AlarmRequest_AlarmAction: AlarmAction, AlarmType } = etcdserverpb;

/** Whose alarm it is that members differ, when it cannot be told which are wrong. As upstream. */
const nobody = 0n;

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
    const judgement = judgeHashes(own, reports, members.length);
    for (const id of judgement.differing) await this.#act(id, judgement.majority, own);
    await this.#endAlarms(judgement, members.length);
    if (judgement.differing.length === 0) this.logger.debug("Members hold the same data", { ...own, compared: reports.length + 1 });
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
    await this.#raise(majority === undefined ? nobody : id);
    if (majority === undefined) return;
    await (id === replica.config.memberID ? this.member.quarantine(majority) : this.member.quarantineAt(id, majority));
  }

  async #raise(memberID: bigint): Promise<void> {
    const { replica } = this.member;
    const { alarms, members } = replica.state;
    if (memberID !== nobody && members.get(memberID) === undefined) return;
    if (alarms.list(AlarmType.CORRUPT).some((alarm) => alarm.memberID === memberID)) return;
    await replica.propose({ alarm: { action: AlarmAction.ACTIVATE, memberID, alarm: AlarmType.CORRUPT } });
  }

  async #endAlarms({ differing, agreeing, majority }: Judgement, memberCount: number): Promise<void> {
    if (majority === undefined) return;
    const { replica } = this.member;
    // Who differs has been named by now.
    const areAllKnown = agreeing.length + differing.length === memberCount;
    for (const { memberID } of replica.state.alarms.list(AlarmType.CORRUPT)) {
      if (memberID === nobody ? !areAllKnown : !agreeing.includes(memberID)) continue;
      this.logger.info("Members agree again: the alarm ends", { member: memberID.toString(16), revision: majority.hashRevision });
      await replica.propose({ alarm: { action: AlarmAction.DEACTIVATE, memberID, alarm: AlarmType.CORRUPT } });
    }
  }
}
