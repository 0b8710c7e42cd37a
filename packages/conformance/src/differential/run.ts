// The same requests to both servers, one after the other; what they answer is compared at once, what their watches say at intervals.
//
// D1. A watch is in place on both before the next request, or a write after it would be seen by one alone.
// D2. Before a watch is cancelled, and before a compaction, both have said what is due: else it would hang on which was faster.
// D3. No wait ends by time unless a server has gone silent for good: a slow machine changes nothing.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { SeededRandom } from "@lenj/base";
import { etcdserverpb, type v3electionpb } from "@lenj/proto/etcd";
import { isSame } from "./compare.js";
import { type Difference, knownDifferences } from "./known-differences.js";
import type { Action, UnaryRequest } from "./methods.js";
import { type Position, RequestSource } from "./requests.js";
import { type Answer, Subject } from "./subject.js";
import { WatchLedger } from "./watch-ledger.js";

const storeMain = fileURLToPath(import.meta.resolve("@lenj/store/main"));
/** Requests between two looks at the watches. */
const watchLookEvery = 200;
/** etcd's batch interval, after which its readers no longer see what it deleted from its database. */
const etcdCommitMs = 100;
/** So often an answer of HashKV that differs is asked for again. */
const hashTimesMax = 30;
/** In memory where there is such a folder: what is compared does not hang on the disk, and is quicker without. */
const memoryFolder = "/dev/shm";

export interface DifferentialOptions {
  readonly requests: number;
  readonly seed: number;
  /** Pairs of servers that work side by side, each with a seed of its own: `seed`, `seed` + 1, ... */
  readonly lanes: number;
  /** More than this many differences in a lane end it. */
  readonly differencesMax: number;
  /** Hears of progress every 10,000 requests of a lane. */
  readonly onProgress?: (seed: number, done: number) => void;
}

export interface DifferentialReport {
  readonly requests: number;
  /** How many of the answers were errors, on which both agreed. */
  readonly errors: number;
  readonly events: number;
  readonly differences: readonly Difference[];
  /** Reason → how often. */
  readonly known: ReadonlyMap<string, number>;
  /** Service/Method → how often it was asked. */
  readonly asked: ReadonlyMap<string, number>;
}

export async function runDifferential(options: DifferentialOptions): Promise<DifferentialReport> {
  const each = Math.ceil(options.requests / options.lanes);
  const lanes = Array.from({ length: options.lanes }, (_, lane) => runLane({ ...options, requests: each, seed: options.seed + lane }));
  const reports = await Promise.all(lanes);
  const sum = (count: (report: DifferentialReport) => number): number => reports.reduce((total, report) => total + count(report), 0);
  return {
    requests: sum(({ requests }) => requests),
    errors: sum(({ errors }) => errors),
    events: sum(({ events }) => events),
    differences: reports.flatMap(({ differences }) => differences),
    known: addUp(reports.map(({ known }) => known)),
    asked: addUp(reports.map(({ asked }) => asked)),
  };
}

function addUp(counts: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const total = new Map<string, number>();
  for (const count of counts) for (const [name, times] of count) total.set(name, (total.get(name) ?? 0) + times);
  return total;
}

async function runLane(options: DifferentialOptions): Promise<DifferentialReport> {
  const folder = mkdtempSync(join(existsSync(memoryFolder) ? memoryFolder : tmpdir(), "lenj-differential-"));
  const subjects: Subject[] = [];
  try {
    subjects.push(await Subject.start("etcd", ["etcd"], folder));
    subjects.push(await Subject.start("lenj", [process.execPath, storeMain], folder));
    const [etcd, lenj] = subjects as [Subject, Subject];
    return await new Comparison(etcd, lenj, options).run();
  } finally {
    await Promise.all(subjects.map((subject) => subject.close()));
    rmSync(folder, { recursive: true, force: true });
  }
}

const lastRevision: UnaryRequest = { name: "KV/Range", message: etcdserverpb.RangeRequest.fromPartial({ key: Buffer.from("revision") }) };

class Comparison {
  readonly #position: Position = { revision: 1, compacted: 0, isAuthOn: false, isAlarmed: false };
  readonly #source: RequestSource;
  readonly #ledger = new WatchLedger();
  readonly #differences: Difference[] = [];
  readonly #known = new Map<string, number>();
  readonly #asked = new Map<string, number>();
  readonly #alarms = new Set<number>();
  /** Of each watch that has something to compare: it may be cancelled by then. */
  readonly #starts = new Map<number, { readonly startRevision: number; readonly compacted: number }>();
  /** Watches that have differed once: what they say from then on would differ again. */
  readonly #parted = new Set<number>();
  #errors = 0;
  #events = 0;

  constructor(
    readonly etcd: Subject,
    readonly lenj: Subject,
    readonly options: DifferentialOptions,
  ) {
    this.#source = new RequestSource(new SeededRandom(options.seed), this.#position);
    etcd.feed.onEvent = (event) => {
      this.#events += 1;
      this.#ledger.record(event);
    };
  }

  async run(): Promise<DifferentialReport> {
    let done = 0;
    for (; done < this.options.requests && this.#differences.length <= this.options.differencesMax; done += 1) {
      await this.#step(this.#source.next());
      if (done % watchLookEvery === watchLookEvery - 1) await this.#compareWatches();
      if (done % 10_000 === 9_999) this.options.onProgress?.(this.options.seed, done + 1);
    }
    await this.#compareWatches();
    const [differences, known, asked] = [this.#differences, this.#known, this.#asked];
    return { requests: done, errors: this.#errors, events: this.#events, differences, known, asked };
  }

  async #step(action: Action): Promise<void> {
    if (action.name === "watch") return this.#say(action.message);
    if (action.queue !== undefined && !(await this.#isFree(action.queue))) return;
    if (action.name === "KV/Compact") await this.#settle(this.#ledger.ids);
    this.#count(action.name);
    const [etcd, lenj] = await this.#ask(action);
    this.#compare({ request: action.name, message: action.message, etcd, lenj });
    this.#follow(action, etcd);
    // These write more than once, and tell the revision of one of their writes.
    if (/^(Lock|Election)\//.test(action.name)) this.#follow(lastRevision, await this.etcd.ask(lastRevision));
  }

  async #ask(action: UnaryRequest): Promise<[etcd: Answer, lenj: Answer]> {
    const first = await this.#askBoth(action);
    if (action.name !== "Maintenance/HashKV" || first.some((answer) => "code" in answer) || isSame(...first)) return first;
    for (let time = 0; time < hashTimesMax; time += 1) {
      await sleep(etcdCommitMs);
      const again = await this.#askBoth(action);
      if (!isSame(...again)) continue;
      this.#countKnown(
        "where no key exists, etcd's HashKV covers what a compaction freed too, until its next commit (hash.go: len(keep) > 0)",
      );
      return again;
    }
    return first;
  }

  #askBoth(action: UnaryRequest): Promise<[etcd: Answer, lenj: Answer]> {
    return Promise.all([this.etcd.ask(action), this.lenj.ask(action)]);
  }

  async #say(message: etcdserverpb.WatchRequest): Promise<void> {
    const union = message.requestUnion;
    // There is no progress to tell, since etcd 3.6, while a watch has not begun; 3.4 answers all the same.
    if (union?.$case === "progressRequest" && !this.#ledger.haveBegun(this.#position.revision)) return;
    this.#count(`Watch/${union?.$case}`);
    if (union?.$case === "cancelRequest") await this.#settle([Number(union.value.watchId)]);
    // Ours answers, as etcd has since 3.6, once all watches have caught up, and else not at all.
    if (union?.$case === "progressRequest") await this.#settle(this.#ledger.ids);
    const id = union?.$case === "createRequest" ? Number(union.value.watchId) : undefined;
    const before = id === undefined ? 0 : this.etcd.feed.log(id).created;
    const answers = this.etcd.feed.progressAnswers + 1;
    await this.#both(async (subject) => {
      const { feed } = subject;
      feed.say(message);
      const fence = feed.raiseFence();
      await this.#until(subject, `the fence after ${union?.$case}`, () => feed.lastFence >= fence);
      if (union?.$case === "progressRequest") await this.#until(subject, "progress", () => feed.progressAnswers >= answers);
    });
    if (union?.$case === "createRequest" && this.etcd.feed.log(Number(union.value.watchId)).created > before) this.#open(union.value);
    if (union?.$case === "cancelRequest") this.#ledger.close(Number(union.value.watchId));
  }

  #open(request: etcdserverpb.WatchCreateRequest): void {
    this.#ledger.open(request, this.#position);
    this.#starts.set(Number(request.watchId), { startRevision: request.startRevision, compacted: this.#position.compacted });
  }

  /** Whether nobody else waits in a lock's or an election's queue. */
  async #isFree({ prefix, lease }: NonNullable<UnaryRequest["queue"]>): Promise<boolean> {
    const rangeEnd = Buffer.from(prefix);
    rangeEnd[rangeEnd.length - 1] = (rangeEnd.at(-1) ?? 0) + 1;
    const message = etcdserverpb.RangeRequest.fromPartial({ key: prefix, rangeEnd, keysOnly: true });
    const answer = await this.etcd.ask({ name: "KV/Range", message });
    if (!("response" in answer)) return false;
    const own = Buffer.concat([prefix, Buffer.from(lease.toString(16))]);
    return (answer.response as etcdserverpb.RangeResponse).kvs.every(({ key }) => key.equals(own));
  }

  #count(name: string): void {
    this.#asked.set(name, (this.#asked.get(name) ?? 0) + 1);
  }

  #compare(difference: Difference): void {
    if (isSame(difference.etcd, difference.lenj)) {
      if ("code" in difference.etcd) this.#errors += 1;
      return;
    }
    const known = knownDifferences.find((candidate) => candidate.matches(difference));
    if (known === undefined) this.#differences.push(difference);
    else this.#countKnown(known.reason);
  }

  #countKnown(reason: string): void {
    this.#known.set(reason, (this.#known.get(reason) ?? 0) + 1);
  }

  #follow({ name, message }: UnaryRequest, answer: Answer): void {
    if (!("response" in answer)) return;
    const revision = Number((answer.response as { header?: { revision: number } }).header?.revision ?? 0);
    if (revision > this.#position.revision) this.#position.revision = revision;
    if (name === "KV/Compact") {
      this.#position.compacted = (message as { revision: number }).revision;
      this.#ledger.forget(this.#position.compacted);
    }
    if (name === "Auth/AuthEnable") this.#position.isAuthOn = true;
    if (name === "Auth/AuthDisable") this.#position.isAuthOn = false;
    if (name === "Election/Campaign") this.#source.queues.leader = (answer.response as v3electionpb.CampaignResponse).leader;
    if (name === "Maintenance/Alarm") this.#followAlarm(message as etcdserverpb.AlarmRequest);
  }

  #followAlarm({ action, alarm }: etcdserverpb.AlarmRequest): void {
    if (action === etcdserverpb.AlarmRequest_AlarmAction.ACTIVATE) this.#alarms.add(alarm);
    if (action === etcdserverpb.AlarmRequest_AlarmAction.DEACTIVATE) this.#alarms.delete(alarm);
    this.#position.isAlarmed = this.#alarms.size > 0;
  }

  #both(run: (subject: Subject) => Promise<unknown>): Promise<unknown> {
    return Promise.all([run(this.etcd), run(this.lenj)]);
  }

  /** A server that stays silent differs from one that does not, and from what it should be. */
  async #until({ feed, name }: Subject, wanted: string, condition: () => boolean): Promise<void> {
    if (await feed.until(condition)) return;
    const answer = (silent: string): Answer => ({ response: name === silent ? "silent" : "" });
    this.#differences.push({
      request: `wait for ${wanted}`,
      message: undefined,
      etcd: answer("etcd"),
      lenj: answer("lenj"),
    });
  }

  /** Waits until both have said what is due on these watches. */
  async #settle(ids: Iterable<number>): Promise<void> {
    const { revision } = this.#position;
    await this.#both((subject) => this.#until(subject, `observer at ${revision}`, () => subject.feed.observed >= revision));
    const waited = [...ids];
    await this.#both((subject) => {
      const isServed = (id: number): boolean => this.#ledger.isServed(id, subject.feed.log(id), subject.name === "lenj");
      return this.#until(subject, `watches ${waited.join(", ")}`, () => waited.every(isServed));
    });
  }

  async #compareWatches(): Promise<void> {
    await this.#settle(this.#ledger.ids);
    const [etcd, lenj] = [this.etcd.feed, this.lenj.feed];
    for (const id of new Set([...etcd.logs.keys(), ...lenj.logs.keys()])) {
      const [said, ours] = [etcd.log(id).lines, lenj.log(id).lines];
      if (this.#parted.has(id) || said.join("\n") === ours.join("\n")) continue;
      this.#parted.add(id);
      this.#compare({
        request: `watch ${id}`,
        message: this.#starts.get(id),
        etcd: { response: firstUnlike(said, ours) },
        lenj: { response: firstUnlike(ours, said) },
      });
    }
    const open = new Set(this.#ledger.ids);
    for (const { logs } of [etcd, lenj]) {
      for (const [id, log] of logs) {
        log.lines.length = 0;
        if (open.has(id)) continue;
        logs.delete(id);
        this.#starts.delete(id);
      }
    }
  }
}

/** A few lines from where two histories part. */
function firstUnlike(
  own: readonly string[],
  other: readonly string[],
): { readonly at: number; readonly lines: readonly string[]; readonly length: number } {
  const at = own.findIndex((line, position) => line !== other[position]);
  return { at, lines: own.slice(Math.max(0, at), Math.max(0, at) + 3), length: own.length };
}
