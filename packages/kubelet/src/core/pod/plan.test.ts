// The cases follow upstream's computePodActions and the sidecar proposal (KEP-753).
import type { corev1 } from "@lenj/proto/k8s";
import { container, exited, pod, record, runtimeState, sandbox } from "../../testing/pod-fixtures.js";
import type { PodRuntimeState } from "../runtime-state.js";
import { Backoff } from "./backoff.js";
import { backoffKey, type ContainerFindings, type PodPlan, planPod } from "./plan.js";

const healthy: ContainerFindings = { liveness: () => "success", startup: () => "success" };
const plan = (wanted: corev1.Pod, runtime: PodRuntimeState, findings: Partial<ContainerFindings> = {}, backoff = new Backoff()): PodPlan =>
  planPod({ pod: wanted, runtime, findings: { ...healthy, ...findings }, backoff, nowMs: 3_000 });
const started = (result: PodPlan): string[] => result.start.map((step) => `${step.role} ${step.name}`);
const killed = (result: PodPlan): string[] => result.kill.map((step) => `${step.reason} ${step.name}`);
const up = [sandbox()];
const sidecar = container("side", { restartPolicy: "Always" });

describe("planPod: the sandbox", () => {
  it("makes the first one and starts every container", () => {
    const result = plan(pod({ containers: [container("a"), container("b")] }), runtimeState([]));
    expect(result.createSandbox?.attempt).toBe(0);
    expect(result.killPod).toBeUndefined();
    expect(started(result)).toEqual(["app a", "app b"]);
  });

  it.each([
    ["is not ready", sandbox({ ready: false })],
    ["has no address", sandbox({ ips: [] })],
    ["is in the other network", sandbox({ hostNetwork: true })],
  ])("replaces one that %s, with the next attempt, after stopping what was in it", (_, old) => {
    const result = plan(pod({}), runtimeState([old], [record("app")]));
    expect(result.createSandbox?.attempt).toBe(1);
    expect(result.killPod).toBeDefined();
    expect(started(result)).toEqual(["app app"]);
  });

  it("reconciles two ready ones", () => {
    const result = plan(pod({}), runtimeState([sandbox({ id: "s1", attempt: 1 }), sandbox()]));
    expect(result.createSandbox?.attempt).toBe(2);
  });

  it("does not need an address in the host's network", () => {
    const result = plan(pod({ hostNetwork: true }), runtimeState([sandbox({ hostNetwork: true, ips: [] })]));
    expect(result.createSandbox).toBeUndefined();
    expect(started(result)).toEqual(["app app"]);
  });

  it("runs the init containers again in a new one", () => {
    const result = plan(
      pod({ initContainers: [container("init")] }),
      runtimeState([sandbox({ ready: false })], [exited("app", 1), exited("init", 0)]),
    );
    expect(started(result)).toEqual(["init init"]);
  });

  it.each([
    ["Never", [exited("app", 1)], undefined],
    ["OnFailure", [exited("app", 0)], undefined],
    ["OnFailure", [exited("app", 1)], 1],
    ["Always", [exited("app", 0)], 1],
  ] as const)("with %s and %j rebuilds attempt %s", (restartPolicy, containers, attempt) => {
    const result = plan(pod({ restartPolicy }), runtimeState([sandbox({ ready: false })], [...containers]));
    expect(result.createSandbox?.attempt).toBe(attempt);
  });

  it("starts only what has not succeeded, with OnFailure", () => {
    const result = plan(
      pod({ restartPolicy: "OnFailure", containers: [container("a"), container("b")] }),
      runtimeState([sandbox({ ready: false })], [exited("b", 1), exited("a", 0)]),
    );
    expect(started(result)).toEqual(["app b"]);
  });
});

describe("planPod: restarts", () => {
  it.each<[corev1.RestartPolicy, number, boolean]>([
    ["Always", 0, true],
    ["Always", 1, true],
    ["OnFailure", 0, false],
    ["OnFailure", 1, true],
    ["Never", 0, false],
    ["Never", 1, false],
  ])("%s after exit %i: %s", (restartPolicy, exitCode, restarts) => {
    const result = plan(pod({ restartPolicy }), runtimeState(up, [exited("app", exitCode)]));
    expect(started(result)).toEqual(restarts ? ["app app"] : []);
    // Nothing runs and nothing will: the sandbox goes too.
    expect(result.killPod !== undefined).toBe(!restarts);
  });

  it("leaves a running container alone", () => {
    expect(plan(pod({}), runtimeState(up, [record("app")]))).toEqual({
      killPod: undefined,
      createSandbox: undefined,
      kill: [],
      start: [],
      heldBack: [],
    });
  });

  it.each([
    ["liveness", "Always", ["app app"]],
    ["startup", "OnFailure", ["app app"]],
    ["liveness", "Never", []],
  ] as const)("kills after a failed %s probe; with %s starts %j", (kind, restartPolicy, starts) => {
    const result = plan(pod({ restartPolicy }), runtimeState(up, [record("app")]), { [kind]: () => "failure" });
    expect(killed(result).concat(result.killPod === undefined ? [] : ["pod"])).toEqual(
      restartPolicy === "Never" ? ["pod"] : [`${kind} app`],
    );
    expect(started(result)).toEqual(starts);
    if (restartPolicy !== "Never") expect(result.kill[0]?.because).toBe(`Container app failed ${kind} probe, will be restarted`);
  });

  it("replaces a container whose definition changed, whatever the policy", () => {
    const result = plan(
      pod({ restartPolicy: "Never", containers: [container("app", { image: "app:2" })] }),
      runtimeState(up, [record("app")]),
    );
    expect(result.kill[0]).toMatchObject({ reason: "changed", because: "Container app definition changed, will be restarted" });
    expect(started(result)).toEqual(["app app"]);
  });

  it("starts a container that was created but never ran, and kills one in an unknown state first", () => {
    expect(started(plan(pod({ restartPolicy: "Never" }), runtimeState(up, [record("app", { state: "created" })])))).toEqual(["app app"]);
    const unknown = plan(pod({}), runtimeState(up, [record("app", { state: "unknown" })]));
    expect(killed(unknown)).toEqual(["unknown app"]);
    expect(started(unknown)).toEqual(["app app"]);
  });

  it("starts nothing of a pod that is being deleted", () => {
    const result = plan(pod({}, { deletionTimestamp: "2026-01-01T00:00:00Z" }), runtimeState(up, [exited("app", 1)]));
    expect(started(result)).toEqual([]);
  });

  it("holds a restart back until its delay is over, with upstream's message, and keeps the pod", () => {
    const backoff = new Backoff();
    const wanted = pod({});
    backoff.next(backoffKey(wanted, container("app")), 0, 0);
    const result = plan(wanted, runtimeState(up, [exited("app", 1)]), {}, backoff);
    expect(started(result)).toEqual([]);
    expect(result.killPod).toBeUndefined();
    expect(result.heldBack).toEqual([
      { name: "app", untilMs: 12_000, message: "back-off 10s restarting failed container=app pod=web_shop(u1)" },
    ]);
  });

  it("counts the delay of a changed image afresh", () => {
    expect(backoffKey(pod({}), container("app"))).not.toBe(backoffKey(pod({}), container("app", { image: "app:2" })));
  });

  it("runs an ephemeral container once", () => {
    const wanted = pod({ ephemeralContainers: [{ name: "debug", image: "debug:1" }] });
    expect(started(plan(wanted, runtimeState(up, [record("app")])))).toEqual(["ephemeral debug"]);
    expect(started(plan(wanted, runtimeState(up, [exited("debug", 1), record("app")])))).toEqual([]);
  });

  it.each([
    [3, ["app app"]],
    [4, []],
  ])("follows the container's own restart rules: exit %i", (exitCode, starts) => {
    const rules = [{ action: "Restart", exitCodes: { operator: "In", values: [3] } }];
    const result = plan(
      pod({ restartPolicy: "Never", containers: [container("app", { restartPolicy: "Never", restartPolicyRules: rules })] }),
      runtimeState(up, [exited("app", exitCode)]),
    );
    expect(started(result)).toEqual(starts);
  });
});

describe("planPod: init containers", () => {
  const wanted = pod({ initContainers: [container("first"), container("second")] });
  it.each([
    ["none has run", [], ["init first"]],
    ["the first runs", [record("first")], []],
    ["the first is done", [exited("first", 0)], ["init second"]],
    ["the second runs", [record("second"), exited("first", 0)], []],
    ["all are done", [exited("second", 0), exited("first", 0)], ["app app"]],
    ["the second failed", [exited("second", 1), exited("first", 0)], ["init second"]],
    ["the second was created only", [record("second", { state: "created" }), exited("first", 0)], ["init second"]],
    ["their remains are gone but the container ran", [exited("app", 1)], ["app app"]],
    ["they ran in an older sandbox", [exited("second", 0, { sandboxID: "old" }), exited("first", 0, { sandboxID: "old" })], ["init first"]],
  ])("one after the other: %s", (_, containers, starts) => {
    expect(started(plan(wanted, runtimeState(up, containers)))).toEqual(starts);
  });

  it("ends the pod when one failed and the policy is Never", () => {
    const result = plan(pod({ restartPolicy: "Never", initContainers: [container("first")] }), runtimeState(up, [exited("first", 1)]));
    expect(result.killPod).toBeDefined();
    expect(started(result)).toEqual([]);
  });
});

describe("planPod: sidecars", () => {
  const wanted = pod({ initContainers: [sidecar, container("init")] });
  it.each([
    ["it starts first", [], ["sidecar side"]],
    ["what follows waits only for its start", [record("side")], ["init init"]],
    ["then the containers", [exited("init", 0), record("side")], ["app app"]],
    ["it restarts beside init containers", [record("init"), exited("side", 0)], ["sidecar side"]],
    ["and beside containers", [record("app"), exited("init", 0), exited("side", 0)], ["sidecar side"]],
  ])("%s", (_, containers, starts) => {
    expect(started(plan(wanted, runtimeState(up, containers)))).toEqual(starts);
  });

  it("is waited for until its startup probe passes", () => {
    const probed = pod({ initContainers: [{ ...sidecar, startupProbe: {} }] });
    const runtime = runtimeState(up, [record("side")]);
    expect(started(plan(probed, runtime, { startup: () => "unknown" }))).toEqual([]);
    expect(started(plan(probed, runtime))).toEqual(["app app"]);
  });

  it("restarts although the pod's policy is Never", () => {
    const result = plan(
      { ...wanted, spec: { ...wanted.spec, containers: wanted.spec?.containers ?? [], restartPolicy: "Never" } },
      runtimeState(up, [record("app"), exited("init", 0), exited("side", 1)]),
    );
    expect(started(result)).toEqual(["sidecar side"]);
  });

  it("does not keep a pod alive whose containers are done", () => {
    const done = pod({ restartPolicy: "Never", initContainers: [sidecar] });
    const result = plan(done, runtimeState(up, [exited("app", 0), record("side")]));
    expect(result.killPod).toEqual({ because: "no container is left to run" });
  });
});
