// The rules of upstream's prober worker, asked tick by tick.
import { type ProbeSubject, ProbeWorker } from "./probe-worker.js";

const subject = (more: Partial<ProbeSubject> = {}): ProbeSubject => ({
  containerID: "c1",
  running: true,
  startedAtMs: 0,
  started: true,
  podEnding: false,
  passedBefore: false,
  ...more,
});

describe("ProbeWorker", () => {
  it.each([
    ["liveness", "success"],
    ["readiness", "failure"],
    ["startup", "unknown"],
  ] as const)("begins a %s probe with %s", (kind, verdict) => {
    const worker = new ProbeWorker(kind, {});
    worker.tick(subject(), 0);
    expect(worker.verdict("c1")).toBe(verdict);
  });

  it("believes what was reported before a restart of the kubelet", () => {
    const worker = new ProbeWorker("readiness", {});
    worker.tick(subject({ passedBefore: true }), 0);
    expect(worker.verdict("c1")).toBe("success");
  });

  it("waits for the container and the initial delay", () => {
    const worker = new ProbeWorker("liveness", { initialDelaySeconds: 5 });
    expect(worker.tick(undefined, 0)).toEqual({ verb: "wait" });
    expect(worker.tick(subject(), 4_999)).toEqual({ verb: "wait" });
    expect(worker.tick(subject(), 5_000)).toEqual({ verb: "probe", containerID: "c1" });
  });

  it.each([
    ["liveness", false, "wait"],
    ["readiness", false, "wait"],
    ["startup", false, "probe"],
    ["liveness", true, "probe"],
    ["startup", true, "wait"],
  ] as const)("%s with started=%s: %s", (kind, started, verb) => {
    expect(new ProbeWorker(kind, {}).tick(subject({ started }), 0).verb).toBe(verb);
  });

  it("fails after three failures in a row by default, and pauses then until the container is another", () => {
    const worker = new ProbeWorker("liveness", {});
    worker.tick(subject(), 0);
    expect([false, false, true, false, false, false].map((ok) => worker.onOutcome("c1", ok))).toEqual([
      false,
      false,
      false,
      false,
      false,
      true,
    ]);
    expect(worker.verdict("c1")).toBe("failure");
    expect(worker.tick(subject(), 0).verb).toBe("wait");
    expect(worker.tick(subject({ containerID: "c2" }), 0)).toEqual({ verb: "probe", containerID: "c2" });
    expect(worker.verdict("c2")).toBe("success");
  });

  it("needs successThreshold successes in a row for readiness", () => {
    const worker = new ProbeWorker("readiness", { successThreshold: 2, failureThreshold: 1 });
    worker.tick(subject(), 0);
    expect(worker.onOutcome("c1", true)).toBe(false);
    expect(worker.onOutcome("c1", true)).toBe(true);
    expect(worker.onOutcome("c1", false)).toBe(true);
    expect(worker.tick(subject(), 0).verb).toBe("probe");
  });

  it("drops the outcome for a container that was replaced meanwhile", () => {
    const worker = new ProbeWorker("readiness", {});
    worker.tick(subject(), 0);
    worker.tick(subject({ containerID: "c2" }), 0);
    expect(worker.onOutcome("c1", true)).toBe(false);
    expect(worker.verdict("c2")).toBe("failure");
  });

  it("says failure of a container that stopped", () => {
    const worker = new ProbeWorker("readiness", {});
    worker.tick(subject(), 0);
    worker.onOutcome("c1", true);
    worker.tick(subject({ running: false }), 0);
    expect(worker.verdict("c1")).toBe("failure");
  });

  it("does not kill a pod that is going away, but goes on asking whether it is ready", () => {
    const liveness = new ProbeWorker("liveness", {});
    expect(liveness.tick(subject({ podEnding: true }), 0).verb).toBe("wait");
    expect(liveness.verdict("c1")).toBe("success");
    expect(new ProbeWorker("readiness", {}).tick(subject({ podEnding: true }), 0).verb).toBe("probe");
  });
});
