import fc from "fast-check";
import { Inflights } from "./inflights.js";
import { Progress } from "./progress.js";

type WindowStep = { readonly add: number } | { readonly free: number };
const windowSteps = fc.array(
  fc.oneof(
    fc.nat(20).map((add): WindowStep => ({ add })),
    fc.nat(60).map((free): WindowStep => ({ free })),
  ),
);

describe("Inflights, against a plain list", () => {
  it("thesis §10.2.1 holds what was sent and not acknowledged, and is full at either bound", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 60 }), windowSteps, (maxMessages, maxBytes, steps) => {
        const window = new Inflights(maxMessages, maxBytes);
        let list: { index: number; bytes: number }[] = [];
        let last = 0;
        for (const step of steps) {
          if ("free" in step) {
            window.freeThrough(step.free);
            list = list.filter(({ index }) => index > step.free);
          } else if (!window.isFull()) {
            last += 1;
            window.add(last, step.add);
            list.push({ index: last, bytes: step.add });
          }
          const bytes = list.reduce((sum, each) => sum + each.bytes, 0);
          expect(window.count).toBe(list.length);
          expect(window.isFull()).toBe(list.length === maxMessages || bytes >= maxBytes);
        }
      }),
    );
  });
});

type ProgressStep =
  | { readonly kind: "send"; readonly count: number }
  | { readonly kind: "accept" | "reject"; readonly index: number; readonly hint: number }
  | { readonly kind: "snapshot"; readonly index: number }
  | { readonly kind: "probe" | "heard" };
const progressSteps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("send" as const), count: fc.nat(4) }),
    fc.record({ kind: fc.constantFrom("accept" as const, "reject" as const), index: fc.nat(30), hint: fc.nat(30) }),
    fc.record({ kind: fc.constant("snapshot" as const), index: fc.nat(30) }),
    fc.record({ kind: fc.constantFrom("probe" as const, "heard" as const) }),
  ),
  { maxLength: 60 },
);

describe("Progress, whatever a member answers", () => {
  it("P1 keeps match below next, and match never decreases", () => {
    fc.assert(
      fc.property(progressSteps, (steps) => {
        const progress = new Progress(2n, { next: 5, recentActive: true, maxInflightMessages: 3, maxInflightBytes: 100 });
        let sentThrough = 4;
        for (const step of steps) {
          const { match } = progress;
          perform(progress, step, sentThrough);
          sentThrough = Math.max(sentThrough, progress.next - 1);
          expect(progress.match).toBeLessThan(progress.next);
          expect(progress.match).toBeGreaterThanOrEqual(match);
          expect(progress.sentCommit).toBeLessThan(progress.next);
          if (progress.state !== "replicate") expect(progress.inflights.count).toBe(0);
        }
      }),
    );
  });

  it("thesis §3.5 probing backwards ends: each rejection of the present probe moves next down, until it meets match", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.array(fc.nat(40), { maxLength: 60 }), (next, hints) => {
        const progress = new Progress(2n, { next: next + 1, recentActive: true, maxInflightMessages: 3, maxInflightBytes: 100 });
        for (const hint of hints) {
          const before = progress.next;
          if (!progress.maybeDecreaseTo(before - 1, Math.min(hint, before - 2))) continue;
          expect(progress.next).toBeLessThanOrEqual(Math.max(before - 1, progress.match + 1));
        }
      }),
    );
  });
});

/** As a leader does; an answer speaks of what was sent. */
function perform(progress: Progress, step: ProgressStep, sentThrough: number): void {
  switch (step.kind) {
    case "send": {
      // A full window lets only empty appends pass.
      const count = progress.state === "replicate" && progress.inflights.isFull() ? 0 : step.count;
      if (!progress.isPaused) progress.onSent(count, count * 10);
      break;
    }
    case "accept":
      if (progress.maybeUpdate(Math.min(step.index, sentThrough)) && progress.state === "probe") progress.transitionToReplicate();
      else if (progress.state === "replicate") progress.inflights.freeThrough(progress.match);
      break;
    case "reject":
      if (progress.maybeDecreaseTo(step.index, step.hint) && progress.state === "replicate") progress.transitionToProbe();
      break;
    case "snapshot":
      if (progress.state === "probe" && step.index > progress.match) progress.transitionToSnapshot(step.index);
      break;
    case "probe":
      progress.transitionToProbe();
      break;
    case "heard":
      progress.isFlowPaused = false;
      break;
  }
}
