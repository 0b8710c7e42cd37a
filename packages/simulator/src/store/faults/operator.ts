// Whoever changes the membership: through the cluster service, one thing at a time, asking again until it is done.
//
// O1. A member is removed only while the rest still has a majority of members that run or will run again.
// O2. A machine is taken away for good once the cluster says that its member is removed.
// O3. Alarms outlive the member that they were raised for, as in etcd: who removes it disarms them, too.
import { etcdserverpb } from "@lenj/proto/etcd";
import type { StoreCluster } from "../store-cluster.js";
import type { StoreMember } from "../store-member.js";
import { callUnary } from "../workload/connection.js";

const { AlarmRequest_AlarmAction: AlarmAction, AlarmType } = etcdserverpb;

const retryMs = 700;
const alarmsEveryMs = 1_000;

type Step =
  | { readonly kind: "add"; readonly url: string }
  | { readonly kind: "promote"; readonly url: string }
  | { readonly kind: "remove"; readonly id: bigint };

export class Operator {
  #steps: Step[] = [];
  #isWorking = false;
  #isFinishing = false;
  #machines = 0;
  done = 0;

  constructor(readonly cluster: StoreCluster) {}

  get isBusy(): boolean {
    return this.#steps.length > 0;
  }

  /** Looks after alarms from now on. */
  start(): void {
    const { loop } = this.cluster;
    loop.after(alarmsEveryMs, () => {
      this.#disarm();
      this.start();
    });
  }

  add(): void {
    if (this.isBusy || this.#isFinishing) return;
    const url = this.#nextURL();
    this.#plan([
      { kind: "add", url },
      { kind: "promote", url },
    ]);
  }

  remove(member: StoreMember): void {
    if (this.isBusy || this.#isFinishing || !this.#mayRemove(member)) return;
    this.#plan([{ kind: "remove", id: member.id }]);
  }

  replace(member: StoreMember): void {
    if (this.isBusy || this.#isFinishing || !this.#mayRemove(member)) return;
    const url = this.#nextURL();
    this.#plan([
      { kind: "remove", id: member.id },
      { kind: "add", url },
      { kind: "promote", url },
    ]);
  }

  /** Begins nothing new; what is begun is brought to its end. */
  finish(): void {
    this.#isFinishing = true;
  }

  #nextURL(): string {
    this.#machines += 1;
    return `http://machine-${this.#machines}:2380`;
  }

  #plan(steps: Step[]): void {
    this.#steps = steps;
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#work();
  }

  #mayRemove(member: StoreMember): boolean {
    const voters = this.cluster.membership()?.voters ?? [];
    const rest = voters.filter((id) => id !== member.id);
    const good = rest.filter((id) => this.cluster.member(id)?.canRun === true && !this.cluster.member(id)?.disk.isDamaged);
    return voters.includes(member.id) && rest.length >= 2 && good.length > rest.length / 2;
  }

  #work(): void {
    const { loop } = this.cluster;
    this.#settle();
    const step = this.#steps[0];
    if (step === undefined) {
      this.#isWorking = false;
      return;
    }
    const leader = this.cluster.leader();
    if (leader === undefined) {
      loop.after(retryMs, () => this.#work());
      return;
    }
    let isOver = false;
    const again = (): void => {
      if (isOver) return;
      isOver = true;
      loop.after(retryMs, () => this.#work());
    };
    this.#ask(leader, step, again);
    loop.after(10 * retryMs, again);
  }

  #ask(leader: StoreMember, step: Step, done: () => void): void {
    const service = "/etcdserverpb.Cluster";
    const onDone = (result: unknown): void => {
      this.cluster.loop.trace(
        `operator ${step.kind} ${JSON.stringify(result, (_, value) => (typeof value === "bigint" ? `${value}` : (value as unknown)))}`,
      );
      done();
    };
    if (step.kind === "add") {
      callUnary(
        leader,
        `${service}/MemberAdd`,
        etcdserverpb.MemberAddRequest.fromPartial({ peerURLs: [step.url], isLearner: true }),
        onDone,
      );
    } else if (step.kind === "remove") {
      callUnary(leader, `${service}/MemberRemove`, { ID: step.id }, onDone);
    } else {
      const id = this.#idAt(step.url);
      if (id === undefined) done();
      else callUnary(leader, `${service}/MemberPromote`, { ID: id }, onDone);
    }
  }

  /** Ends alarms of members that are gone. */
  #disarm(): void {
    const leader = this.cluster.leader();
    const state = leader?.replica?.state;
    if (leader === undefined || state === undefined) return;
    const left = state.alarms.list(AlarmType.NONE).find(({ memberID }) => state.members.isRemoved(memberID));
    if (left === undefined) return;
    this.cluster.loop.trace(`operator disarms ${left.memberID}`);
    callUnary(leader, "/etcdserverpb.Maintenance/Alarm", { action: AlarmAction.DEACTIVATE, ...left }, () => {});
  }

  /** Takes what has been achieved, whatever the answers said. */
  #settle(): void {
    for (const { id, peerUrls } of this.#records()) {
      const [url] = peerUrls;
      if (url?.startsWith("http://machine-") === true) this.cluster.join(id, url);
    }
    const step = this.#steps[0];
    if (step === undefined || !this.#isAchieved(step)) return;
    if (step.kind === "remove") this.cluster.member(step.id)?.retire();
    this.#steps.shift();
    this.done += 1;
    this.#settle();
  }

  #isAchieved(step: Step): boolean {
    const leader = this.cluster.leader();
    if (leader?.replica === undefined) return false;
    const { members } = leader.replica.state;
    if (step.kind === "remove") return members.isRemoved(step.id);
    const id = this.#idAt(step.url);
    const isMember = id !== undefined;
    return step.kind === "add" ? isMember : isMember && members.get(id)?.isLearner === false;
  }

  #idAt(url: string): bigint | undefined {
    return this.#records().find((record) => record.peerUrls.includes(url))?.id;
  }

  #records(): readonly { readonly id: bigint; readonly peerUrls: readonly string[] }[] {
    return this.cluster.leader()?.replica?.state.members.list() ?? [];
  }
}
