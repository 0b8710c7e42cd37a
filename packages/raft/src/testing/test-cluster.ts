import type { SafetyRules } from "../core/safety-rules.js";
import type { MemoryLogState } from "../log/memory-log.js";
import type { ConfState, Entry, MemberID, Message, RaftConfig, Term } from "../types.js";
import { describeMessage } from "./describe.js";
import { type Narrator, TestMember } from "./test-member.js";

/** Rounds after which a cluster that still talks counts as never settling. */
const roundsMax = 200;
const ticksMax = 100;

export interface TestClusterOptions {
  readonly voters: readonly MemberID[];
  readonly learners?: readonly MemberID[];
  readonly config?: Partial<RaftConfig>;
  readonly rules?: Partial<SafetyRules>;
  /** Per member, from index 1 on. Default: an empty log. */
  readonly logs?: ReadonlyMap<MemberID, readonly Entry[]>;
  /** Per member; default: that of its last entry. */
  readonly terms?: ReadonlyMap<MemberID, Term>;
  /** Per member; default 0. */
  readonly commits?: ReadonlyMap<MemberID, number>;
  readonly narrate?: Narrator;
}

export const noNarration: Narrator = () => {};

/**
 * Members and the messages between them, which wait until they are delivered, lost, or overtaken. Nothing happens by itself: no time
 * passes but by `tick`.
 */
export class TestCluster {
  readonly members = new Map<MemberID, TestMember>();
  /** On their way, oldest first. */
  inTransit: Message[] = [];
  readonly #cut = new Set<string>();
  readonly #narrate: Narrator;

  constructor(readonly options: TestClusterOptions) {
    this.#narrate = options.narrate ?? noNarration;
    for (const id of [...options.voters, ...(options.learners ?? [])]) this.#add(id);
  }

  /** A member with an empty log that is no member yet; like the others it knows the membership that the log begins with. */
  addOutsider(id: MemberID): void {
    this.#add(id);
  }

  member(id: MemberID): TestMember {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`Cannot find member ${id}`);
    return member;
  }

  leaders(): MemberID[] {
    return [...this.members.values()].filter(({ isUp, node }) => isUp && node.status().role === "leader").map(({ id }) => id);
  }

  tick(id: MemberID, times = 1): void {
    for (let i = 0; i < times; i += 1) this.member(id).act((node) => node.tick());
  }

  /** Lets the member's clock run until it campaigns. */
  timeOut(id: MemberID): void {
    const before = new Set(this.inTransit);
    const asks = (): boolean => this.inTransit.some((message) => message.from === id && isVoteRequest(message) && !before.has(message));
    for (let ticks = 0; !asks(); ticks += 1) {
      if (ticks === ticksMax) throw new Error(`Cannot wait for member ${id}: it does not campaign within ${ticksMax} ticks`);
      this.tick(id);
    }
  }

  /** Delivers what is on its way now and `matches`; answers how many messages that were. What comes of it waits. */
  deliver(matches: (message: Message) => boolean = () => true): number {
    const [now, later] = partition(this.inTransit, matches);
    this.inTransit = later;
    for (const message of now) this.#deliver(message);
    return now.length;
  }

  /** Loses what is on its way and `matches`. */
  drop(matches: (message: Message) => boolean): void {
    const [lost, kept] = partition(this.inTransit, matches);
    this.inTransit = kept;
    for (const message of lost) this.#tellLost(message);
  }

  /** Delivers until nobody says anything any more. */
  settle(matches?: (message: Message) => boolean): void {
    for (let round = 0; this.deliver(matches) > 0; round += 1) {
      if (round === roundsMax) throw new Error(`Cannot settle: messages still flow after ${roundsMax} rounds`);
    }
  }

  cut(a: MemberID, b: MemberID): void {
    this.#cut.add(`${a}>${b}`).add(`${b}>${a}`);
  }

  /** Cuts `id` off from everybody else. */
  isolate(id: MemberID): void {
    for (const other of this.members.keys()) if (other !== id) this.cut(id, other);
  }

  heal(): void {
    this.#cut.clear();
  }

  #add(id: MemberID): void {
    const { voters, learners = [], config = {}, rules, logs, terms, commits } = this.options;
    const confState: ConfState = { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false };
    const entries = logs?.get(id) ?? [];
    const term = terms?.get(id) ?? entries.at(-1)?.term ?? 0;
    const log: MemoryLogState = { hardState: { term, vote: 0n, commit: commits?.get(id) ?? 0 }, confState, entries };
    const member = new TestMember(id, { config, log, ...(rules && { rules }) }, this.#narrate, (message) => this.inTransit.push(message));
    this.members.set(id, member);
    member.pump();
  }

  #deliver(message: Message): void {
    const receiver = this.members.get(message.to);
    if (receiver?.isUp !== true || this.#cut.has(`${message.from}>${message.to}`)) this.#tellLost(message);
    else receiver.act((node) => node.step(message));
  }

  #tellLost(message: Message): void {
    this.#narrate(`lost ${message.from}→${message.to} ${describeMessage(message)}`);
  }
}

const isVoteRequest = ({ type }: Message): boolean => type === "vote" || type === "preVote";

function partition<T>(items: readonly T[], matches: (item: T) => boolean): [T[], T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const item of items) (matches(item) ? yes : no).push(item);
  return [yes, no];
}
