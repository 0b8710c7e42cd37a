// Where the time of requests goes, and a line in the log for each that was slow.
//
// Owns:  when the log's writes began and ended, histograms by stage, the limit of lines.
// Not:   the order of work (replica).
// T1. A request costs a few numbers: one look at the clock serves all requests of a turn, of a write and of an applied batch.
// T2. The stages of a request follow one another and add up to its total. While a member writes its log the others are at work too:
//     its disk is charged only with what it took until the entry was committed.
// T3. At most `linesPerSecondMax` lines a second; the next one says how many were left out.
// Source: etcd server/etcdserver (warn-of-expensive requests), pkg/traceutil.
import type { Clock, LogFields, Logger } from "@lenj/base";
import type { Entry, Ready } from "@lenj/raft";
import { type Command, decodeCommandBody } from "../core/command.js";
import { CountingHistogram, doubling } from "../core/counting-histogram.js";
import { describeCommand, describeRead, type ReadRequest } from "../core/describe-request.js";

/**
 * - queue: until it was proposed and, by the leader, until its write to the log began
 * - fsync: the write of this member's log
 * - raft: everything else until it was committed: the way to the leader, the other members
 * - apply: until the state had changed; fanout: until watchers had been told; answer: until the answer was on its way
 */
export const writeStages = ["queue", "fsync", "raft", "apply", "fanout", "answer"] as const;
export type WriteStage = (typeof writeStages)[number];
/** raft: until the leader had confirmed the read's point; apply: until this member was there; read: reading the state. */
export const readStages = ["raft", "apply", "read"] as const;
export type ReadStage = (typeof readStages)[number];

/** From here on a request leaves a line, though not yet a warning. Upstream: traceThreshold. */
const tracedMs = 100;
/** From 0.25 ms to 8 s. */
const stageBoundsMs = doubling(0.25, 16);
const linesPerSecondMax = 20;
/** Writes of the log whose entries are not all applied; past that the oldest is forgotten. */
const writesMax = 4_096;

/** What is noted of a request on its way. */
export interface RequestMarks {
  readonly command: Command;
  /** When it came. */
  arrivedMs: number;
  /** When the core took it: the leader into its log, a follower to send it on. 0 before. */
  proposedMs: number;
  isForwarded: boolean;
}

interface LogWriting {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly startedMs: number;
  endedMs: number;
}

/** Requests of this member that one batch of applied entries answers, and when the batch got where. */
export class AppliedBatch {
  readonly marks: RequestMarks[] = [];
  readonly indexes: number[] = [];
  fannedOutMs = 0;

  constructor(
    readonly committedMs: number,
    /** When the last command so far was done. */
    public appliedMs: number,
  ) {}

  add(request: RequestMarks, index: number): void {
    this.marks.push(request);
    this.indexes.push(index);
  }
}

export interface RequestTimesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** A request that takes longer is warned of. */
  readonly warnRequestMs: number;
  /** An applied command, or a read, that takes longer is warned of. */
  readonly warnApplyMs: number;
}

type Stages = Record<WriteStage, number>;

export class RequestTimes {
  readonly writes: Readonly<Record<WriteStage, CountingHistogram>> = histograms(writeStages);
  readonly reads: Readonly<Record<ReadStage, CountingHistogram>> = histograms(readStages);
  /** Commands and reads slower than `warnApplyMs`. */
  slowApplies = 0;
  #writings: LogWriting[] = [];
  /** Used again for every request. */
  readonly #stages: Stages = { queue: 0, fsync: 0, raft: 0, apply: 0, fanout: 0, answer: 0 };
  readonly #limit = { secondStartMs: 0, lines: 0, leftOut: 0 };

  constructor(readonly options: RequestTimesOptions) {}

  onWriteStarted(readies: readonly Ready[], nowMs: number): void {
    let firstIndex = 0;
    let lastIndex = 0;
    for (const { entries } of readies) {
      if (entries.length === 0) continue;
      const first = entries[0]?.index ?? 0;
      if (firstIndex === 0 || first < firstIndex) firstIndex = first;
      lastIndex = entries.at(-1)?.index ?? 0;
    }
    if (firstIndex === 0) return;
    // A new leader's entries take the place of others.
    while ((this.#writings.at(-1)?.lastIndex ?? 0) >= firstIndex) this.#writings.pop();
    if (this.#writings.length >= writesMax) this.#writings.shift();
    this.#writings.push({ firstIndex, lastIndex, startedMs: nowMs, endedMs: Number.POSITIVE_INFINITY });
  }

  /** Of the last write that started, if it held entries. */
  onWriteEnded(nowMs: number): void {
    const last = this.#writings.at(-1);
    if (last !== undefined && last.endedMs === Number.POSITIVE_INFINITY) last.endedMs = nowMs;
  }

  /** A batch of applied entries is answered; `answeredMs` is when all answers were on their way. */
  onAnswered(batch: AppliedBatch, answeredMs: number): void {
    const { marks, indexes, committedMs, appliedMs, fannedOutMs } = batch;
    const { queue, fsync, raft, apply, fanout, answer } = this.writes;
    for (let at = 0; at < marks.length; at += 1) {
      const request = marks[at] as RequestMarks;
      const stages = this.#untilCommitted(request, indexes[at] as number, committedMs);
      queue.observe(stages.queue);
      fsync.observe(stages.fsync);
      raft.observe(stages.raft);
      const tookMs = answeredMs - request.arrivedMs;
      if (tookMs < tracedMs && tookMs < this.options.warnRequestMs) continue;
      stages.apply = appliedMs - committedMs;
      stages.fanout = fannedOutMs - appliedMs;
      stages.answer = answeredMs - fannedOutMs;
      this.#onSlow(request, stages, { index: indexes[at], tookMs });
    }
    apply.observe(appliedMs - committedMs, marks.length);
    fanout.observe(fannedOutMs - appliedMs, marks.length);
    answer.observe(answeredMs - fannedOutMs, marks.length);
  }

  /** Entries up to here are applied: when they were written matters no more. */
  forget(appliedIndex: number): void {
    let gone = 0;
    while ((this.#writings[gone]?.lastIndex ?? Number.POSITIVE_INFINITY) <= appliedIndex) gone += 1;
    // One that is under way still hears of its end.
    if (gone > 0 && this.#writings[gone - 1]?.endedMs === Number.POSITIVE_INFINITY) gone -= 1;
    if (gone > 0) this.#writings.splice(0, gone);
  }

  /** A request's time ran out before it was committed, as far as is known here. */
  onTimeout(request: RequestMarks, nowMs: number): void {
    const stages: Stages = { queue: 0, fsync: 0, raft: 0, apply: 0, fanout: 0, answer: 0 };
    const last = this.#writings.at(-1);
    const fsyncMs = last !== undefined && last.endedMs === Number.POSITIVE_INFINITY ? nowMs - last.startedMs : 0;
    if (request.proposedMs === 0) stages.queue = nowMs - request.arrivedMs;
    else {
      stages.fsync = Math.min(fsyncMs, nowMs - request.proposedMs);
      stages.queue = request.proposedMs - request.arrivedMs;
      stages.raft = nowMs - request.proposedMs - stages.fsync;
    }
    this.#onSlow(request, stages, { tookMs: nowMs - request.arrivedMs, outcome: "timeout" });
  }

  /** One more entry of the batch is applied. */
  onApplied(batch: AppliedBatch, entry: Entry, nowMs: number): void {
    const tookMs = nowMs - batch.appliedMs;
    batch.appliedMs = nowMs;
    if (tookMs <= this.options.warnApplyMs) return;
    this.slowApplies += 1;
    const isCommand = entry.type === "normal" && entry.data.length > 0;
    this.#warnApply(() => ({ ...describeCommand(isCommand ? decodeCommandBody(entry.data) : {}) }), tookMs);
  }

  /** A read came at `arrivedMs`, had its point confirmed at `confirmedMs`, reached at `reachedMs`, and was done at `doneMs`. */
  onRead(request: ReadRequest, at: { arrivedMs: number; confirmedMs: number; reachedMs: number; doneMs: number }): void {
    const confirmedMs = Math.min(Math.max(at.confirmedMs, at.arrivedMs), at.reachedMs);
    const stages: Record<ReadStage, number> = {
      raft: confirmedMs - at.arrivedMs,
      apply: at.reachedMs - confirmedMs,
      read: at.doneMs - at.reachedMs,
    };
    for (const stage of readStages) this.reads[stage].observe(stages[stage]);
    const tookMs = at.doneMs - at.arrivedMs;
    if (tookMs < this.options.warnApplyMs) return;
    this.slowApplies += 1;
    this.#warnApply(() => ({ ...describeRead(request), ...millisecondsOf(stages) }), tookMs);
  }

  /** The first three stages; the others are the batch's. */
  #untilCommitted({ arrivedMs, proposedMs, isForwarded }: RequestMarks, index: number, committedMs: number): Stages {
    const stages = this.#stages;
    const writing = this.#writingOf(index);
    const startedMs = writing === undefined || writing.startedMs > committedMs ? committedMs : Math.max(writing.startedMs, proposedMs);
    const endedMs = writing === undefined ? committedMs : Math.min(Math.max(writing.endedMs, startedMs), committedMs);
    stages.fsync = endedMs - startedMs;
    // A follower sent it to the leader at once; a leader's entry waits here for the write before it, unless the others were faster.
    const queuedUntilMs = isForwarded || startedMs >= committedMs ? proposedMs : startedMs;
    stages.queue = queuedUntilMs - arrivedMs;
    stages.raft = committedMs - queuedUntilMs - stages.fsync;
    return stages;
  }

  #writingOf(index: number): LogWriting | undefined {
    for (let at = this.#writings.length - 1; at >= 0; at -= 1) {
      const writing = this.#writings[at] as LogWriting;
      if (index >= writing.firstIndex) return index <= writing.lastIndex ? writing : undefined;
    }
    return undefined;
  }

  #onSlow(request: RequestMarks, stages: Stages, outcome: LogFields & { readonly tookMs: number }): void {
    const isWarning = outcome.tookMs >= this.options.warnRequestMs;
    this.#line(isWarning ? "warn" : "info", "Slow request", () => ({
      ...describeCommand(request.command),
      ...outcome,
      tookMs: rounded(outcome.tookMs),
      ...millisecondsOf(stages),
    }));
  }

  /** Upstream's words: alerts look for them. */
  #warnApply(describe: () => LogFields, tookMs: number): void {
    const expectedMs = this.options.warnApplyMs;
    this.#line("warn", "apply request took too long", () => ({ ...describe(), tookMs: rounded(tookMs), expectedMs }));
  }

  /** Only a line that is written is put into words: under load every request may be slow. */
  #line(level: "warn" | "info", message: string, fields: () => LogFields): void {
    const { clock, logger } = this.options;
    const limit = this.#limit;
    const nowMs = clock.monotonicMs();
    if (nowMs - limit.secondStartMs >= 1_000) {
      limit.secondStartMs = nowMs;
      limit.lines = 0;
    }
    limit.lines += 1;
    if (limit.lines > linesPerSecondMax) {
      limit.leftOut += 1;
      return;
    }
    logger[level](message, { ...fields(), ...(limit.leftOut === 0 ? {} : { linesLeftOut: limit.leftOut }) });
    limit.leftOut = 0;
  }
}

function histograms<Stage extends string>(stages: readonly Stage[]): Record<Stage, CountingHistogram> {
  return Object.fromEntries(stages.map((stage) => [stage, new CountingHistogram(stageBoundsMs)])) as Record<Stage, CountingHistogram>;
}

/** The stage that took longest, and each as `<stage>Ms`. */
function millisecondsOf<Stage extends string>(stages: Readonly<Record<Stage, number>>): LogFields {
  const entries = Object.entries(stages) as [string, number][];
  const [slowest] = entries.reduce((longest, each) => (each[1] > longest[1] ? each : longest));
  return { slowest, ...Object.fromEntries(entries.map(([stage, tookMs]) => [`${stage}Ms`, rounded(tookMs)])) };
}

const rounded = (milliseconds: number): number => Math.round(milliseconds * 10) / 10;
