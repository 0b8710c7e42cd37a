// The same requests to both servers, one after the other; what they answer is compared at once, what their watches say at intervals.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SeededRandom } from "@lenj/base";
import type { etcdserverpb } from "@lenj/proto/etcd";
import { isSame } from "./compare.js";
import { type Difference, knownDifferences } from "./known-differences.js";
import { type Position, RequestSource } from "./requests.js";
import { type Answer, Subject } from "./subject.js";

const storeMain = fileURLToPath(import.meta.resolve("@lenj/store/main"));
/** Requests between two looks at the watches. */
const watchLookEvery = 200;

export interface DifferentialOptions {
  readonly requests: number;
  readonly seed: number;
  /** More than this many differences end the run. */
  readonly differencesMax: number;
  /** Hears of progress every 10,000 requests. */
  readonly onProgress?: (done: number) => void;
}

export interface DifferentialReport {
  readonly requests: number;
  /** How many of the answers were errors, on which both agreed. */
  readonly errors: number;
  readonly watchLines: number;
  readonly differences: readonly Difference[];
  /** Reason → how often. */
  readonly known: ReadonlyMap<string, number>;
}

export async function runDifferential(options: DifferentialOptions): Promise<DifferentialReport> {
  const folder = mkdtempSync(join(tmpdir(), "lenj-differential-"));
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

class Comparison {
  readonly #position: Position = { revision: 1, compacted: 0 };
  readonly #source: RequestSource;
  readonly #differences: Difference[] = [];
  readonly #known = new Map<string, number>();
  /** Of each watch: where it starts, and what was compacted when it was asked for. */
  readonly #starts = new Map<number, { readonly startRevision: number; readonly compacted: number }>();
  #errors = 0;

  constructor(
    readonly etcd: Subject,
    readonly lenj: Subject,
    readonly options: DifferentialOptions,
  ) {
    this.#source = new RequestSource(new SeededRandom(options.seed), this.#position);
  }

  async run(): Promise<DifferentialReport> {
    let done = 0;
    for (; done < this.options.requests && this.#differences.length <= this.options.differencesMax; done += 1) {
      const action = this.#source.next();
      if (action.name === "watch") {
        // etcd serves watches of the past every 100 ms: one that is cancelled earlier says less there.
        if (action.message.requestUnion?.$case === "cancelRequest") await this.#watchesSettled();
        this.#noteStart(action.message);
        const before = this.etcd.controlMessages;
        for (const subject of [this.etcd, this.lenj]) subject.say(action.message);
        await this.#settled(before + this.#controlsOf(action.message));
      } else {
        // Nor does a compaction meanwhile leave them.
        if (action.name === "KV/Compact") await this.#watchesSettled();
        const [etcd, lenj] = await Promise.all([this.etcd.ask(action), this.lenj.ask(action)]);
        this.#compare({ request: action.name, message: action.message, etcd, lenj });
        this.#follow(action.name, action.message, etcd);
      }
      if (done % watchLookEvery === watchLookEvery - 1) await this.#compareWatches();
      if (done % 10_000 === 9_999) this.options.onProgress?.(done + 1);
    }
    await this.#compareWatches();
    const watchLines = [...this.lenj.watches.values()].reduce((sum, { lines }) => sum + lines.length, 0);
    return { requests: done, errors: this.#errors, watchLines, differences: this.#differences, known: this.#known };
  }

  #compare(difference: Difference): void {
    if (isSame(difference.etcd, difference.lenj)) {
      if ("code" in difference.etcd) this.#errors += 1;
      return;
    }
    const known = knownDifferences.find((candidate) => candidate.matches(difference));
    if (known === undefined) this.#differences.push(difference);
    else this.#known.set(known.reason, (this.#known.get(known.reason) ?? 0) + 1);
  }

  #follow(name: string, message: unknown, answer: Answer): void {
    if (!("response" in answer)) return;
    const revision = Number((answer.response as { header?: { revision: number } }).header?.revision ?? 0);
    if (revision > this.#position.revision) this.#position.revision = revision;
    if (name === "KV/Compact") this.#position.compacted = (message as { revision: number }).revision;
  }

  #noteStart({ requestUnion }: etcdserverpb.WatchRequest): void {
    if (requestUnion?.$case !== "createRequest") return;
    const { watchId, startRevision } = requestUnion.value;
    this.#starts.set(Number(watchId), { startRevision, compacted: this.#position.compacted });
  }

  /** Answers to expect: created or canceled, and for a watch of what is compacted both. */
  #controlsOf({ requestUnion }: etcdserverpb.WatchRequest): number {
    if (requestUnion?.$case !== "createRequest") return 1;
    const { startRevision } = requestUnion.value;
    return startRevision > 0 && startRevision < this.#position.compacted ? 2 : 1;
  }

  /** A watch must be in place on both before the next write, or one would see it and the other not. */
  async #settled(wanted: number): Promise<void> {
    await until(() => this.etcd.controlMessages >= wanted && this.lenj.controlMessages >= wanted, 500);
  }

  /** Gives both time to have said the same on every watch; returns those where they have not. */
  async #watchesSettled(): Promise<readonly number[]> {
    const ids = (): Set<number> => new Set([...this.etcd.watches.keys(), ...this.lenj.watches.keys()]);
    const text = (subject: Subject, id: number): string => (subject.watches.get(id)?.lines ?? []).join("\n");
    const unequal = (): number[] => [...ids()].filter((id) => text(this.etcd, id) !== text(this.lenj, id));
    await until(() => unequal().length === 0, 5_000);
    return unequal();
  }

  async #compareWatches(): Promise<void> {
    for (const id of await this.#watchesSettled()) {
      this.#compare({
        request: `watch ${id}`,
        message: this.#starts.get(id),
        etcd: { response: firstUnlike(this.etcd.watches.get(id)?.lines ?? [], this.lenj.watches.get(id)?.lines ?? []) },
        lenj: { response: firstUnlike(this.lenj.watches.get(id)?.lines ?? [], this.etcd.watches.get(id)?.lines ?? []) },
      });
    }
    for (const subject of [this.etcd, this.lenj]) for (const log of subject.watches.values()) log.lines.length = 0;
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

/** Looks every millisecond: thousands of such waits make up a run. Returns when the condition holds or the time is up. */
async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition() && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 1));
}
