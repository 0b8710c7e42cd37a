import fc from "fast-check";
import type { Entry } from "../types.js";
import { MemoryLog } from "./memory-log.js";
import { RaftLog } from "./raft-log.js";

const noData = new Uint8Array(0);

/** A leader's append: after how many of the present entries it continues, and the terms of what follows. */
interface Append {
  readonly kind: "append";
  readonly after: number;
  readonly count: number;
  readonly isNewTerm: boolean;
}
type Step = Append | { readonly kind: "handOut" | "persist" | "commit" | "apply" };

const steps = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("append" as const), after: fc.nat(8), count: fc.nat(4), isNewTerm: fc.boolean() }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom("handOut" as const, "persist" as const, "commit" as const, "apply" as const) }),
    },
  ),
  { maxLength: 80 },
);

interface Write {
  readonly number: number;
  readonly entries: readonly Entry[];
}

/** The log as one list of terms, what is on disk as another, and the writes under way. */
class Model {
  readonly memory = new MemoryLog();
  readonly log = new RaftLog(this.memory, { committed: 0, applied: undefined, maxApplyingBytes: 100 });
  terms: number[] = [];
  readonly writes: Write[] = [];
  term = 1;
  handedOut = 0;

  perform(step: Step): void {
    switch (step.kind) {
      case "append":
        this.#append(step);
        break;
      case "handOut": {
        const number = ++this.handedOut;
        this.writes.push({ number, entries: this.log.unstable.nextEntries() });
        this.log.unstable.onHandedOut(number);
        break;
      }
      case "persist": {
        const write = this.writes.shift();
        if (write === undefined) break;
        this.memory.append(write.entries);
        this.log.onPersisted(write.number);
        break;
      }
      case "commit":
        this.log.commitTo(Math.min(this.log.lastIndex(), this.log.committed + 1));
        break;
      case "apply": {
        const last = this.log.takeCommitted().at(-1);
        if (last !== undefined) this.log.appliedTo(last.index);
        break;
      }
    }
  }

  /** What the leader of a term sends may replace what is not committed (§5.3). */
  #append({ after, count, isNewTerm }: Append): void {
    if (isNewTerm) this.term += 1;
    const index = Math.max(this.log.committed, this.terms.length - after);
    const entries = Array.from(
      { length: count },
      (_, i): Entry => ({ term: this.term, index: index + i + 1, type: "normal", data: noData }),
    );
    const last = this.log.maybeAppend(index, this.terms[index - 1] ?? 0, entries, 0);
    expect(last).toBe(index + count);
    // Only a conflict cuts; a leader of the same term repeats what it said before.
    const isConflict = entries.some((entry) => (this.terms[entry.index - 1] ?? entry.term) !== entry.term);
    const tail = isConflict ? [] : this.terms.slice(index + count);
    this.terms = [...this.terms.slice(0, index), ...entries.map(({ term }) => term), ...tail];
  }
}

describe("RaftLog, against plain lists", () => {
  it("§5.3 reads as one sequence wherever its entries are, and keeps its cursors in order", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const model = new Model();
        const { log } = model;
        for (const step of script) {
          model.perform(step);
          expect(log.lastIndex()).toBe(model.terms.length);
          expect(log.slice(1, log.lastIndex() + 1, Number.MAX_SAFE_INTEGER).map(({ term }) => term)).toEqual(model.terms);
          expect(model.terms.map((_, i) => log.term(i + 1))).toEqual(model.terms);
          expect(log.applied).toBeLessThanOrEqual(log.committed);
          expect(log.committed).toBeLessThanOrEqual(log.lastIndex());
          expect(log.applied).toBeLessThanOrEqual(log.stableIndex());
        }
      }),
    );
  });

  it("U3 a finished write vouches only for entries that are on disk as they are in the log now", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const model = new Model();
        for (const step of script) {
          model.perform(step);
          const stable = model.log.stableIndex();
          expect(stable).toBeLessThanOrEqual(model.memory.lastIndex());
          for (let index = 1; index <= stable; index += 1) expect(model.memory.term(index)).toBe(model.terms[index - 1]);
        }
      }),
    );
  });
});

describe("RaftLog.findConflictByTerm()", () => {
  it("§5.3 finds the last entry up to an index with at most a term, as a scan does", () => {
    const sortedTerms = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 20 }).map((terms) => terms.sort((a, b) => a - b));
    fc.assert(
      fc.property(sortedTerms, fc.nat(20), fc.nat(7), (terms, upTo, term) => {
        const entries = terms.map((each, i): Entry => ({ term: each, index: i + 1, type: "normal", data: noData }));
        const log = new RaftLog(new MemoryLog({ entries }), { committed: 0, applied: undefined, maxApplyingBytes: 1 });
        const index = Math.min(upTo, terms.length);
        const position = terms.slice(0, index).findLastIndex((each) => each <= term);
        expect(log.findConflictByTerm(index, term)).toEqual({ index: position + 1, term: position < 0 ? 0 : terms[position] });
      }),
    );
  });
});

describe("MemoryLog, against a plain list", () => {
  it("L1 and L2 keep consecutive entries after a compaction point of known term", () => {
    const actions = fc.array(fc.tuple(fc.constantFrom("append", "compact"), fc.nat(10), fc.nat(5)), { maxLength: 40 });
    fc.assert(
      fc.property(actions, (list) => {
        const memory = new MemoryLog();
        let terms: number[] = [];
        let first = 1;
        let term = 1;
        for (const [action, back, count] of list) {
          if (action === "append") {
            term += 1;
            const from = Math.max(first, terms.length + 1 - back);
            memory.append(Array.from({ length: count }, (_, i): Entry => ({ term, index: from + i, type: "normal", data: noData })));
            if (count > 0) terms = [...terms.slice(0, from - 1), ...Array.from({ length: count }, () => term)];
          } else {
            const index = Math.min(terms.length, first - 1 + count);
            if (index < first) continue;
            const confState = { voters: [1n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
            memory.createSnapshot({ metadata: { index, term: terms[index - 1] as number, confState }, data: noData });
            memory.compact(index);
            first = index + 1;
          }
          expect([memory.firstIndex(), memory.lastIndex()]).toEqual([first, terms.length]);
          expect(memory.term(first - 1)).toBe(first === 1 ? 0 : terms[first - 2]);
          expect(memory.entries(first, terms.length + 1, Number.MAX_SAFE_INTEGER).map((each) => each.term)).toEqual(terms.slice(first - 1));
          expect(memory.term(terms.length + 1)).toBeUndefined();
        }
      }),
    );
  });
});
