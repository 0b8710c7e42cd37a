// Phase, conditions and container statuses, after upstream's getPhase, generate.go and convertToAPIContainerStatuses.
import type { corev1 } from "@lenj/proto/k8s";
import { container, exited, pod, record, runtimeState, sandbox } from "../../testing/pod-fixtures.js";
import type { ContainerRecord, PodRuntimeState } from "../runtime-state.js";
import { type PodStatusInput, podStatus, rejectedStatus } from "./status.js";

const findings: PodStatusInput["findings"] = { liveness: () => "success", startup: () => "success", readiness: () => "success" };

function statusOf(wanted: corev1.Pod, runtime: PodRuntimeState, more: Partial<PodStatusInput> = {}): corev1.PodStatus {
  return podStatus({
    pod: wanted,
    runtime,
    runtimeName: "lenj",
    findings,
    waiting: new Map(),
    previous: {},
    hostIPs: ["192.168.0.1"],
    nowMs: 10_000,
    stage: "running",
    ...more,
  });
}
const up = (...containers: ContainerRecord[]): PodRuntimeState => runtimeState([sandbox()], containers);
const condition = (status: corev1.PodStatus, type: string): corev1.PodCondition | undefined =>
  status.conditions?.find((candidate) => candidate.type === type);

describe("phase", () => {
  const two = (restartPolicy: corev1.RestartPolicy): corev1.Pod => pod({ restartPolicy, containers: [container("a"), container("b")] });
  it.each<[corev1.RestartPolicy, ContainerRecord[], string]>([
    ["Always", [], "Pending"],
    ["Always", [record("a")], "Pending"],
    ["Always", [record("a"), record("b")], "Running"],
    ["Always", [exited("a", 0), record("b")], "Running"],
    ["Always", [exited("a", 1), exited("b", 0)], "Running"],
    ["Never", [exited("a", 0), exited("b", 0)], "Succeeded"],
    ["Never", [exited("a", 1), exited("b", 0)], "Failed"],
    ["Never", [exited("a", 1), record("b")], "Running"],
    ["OnFailure", [exited("a", 0), exited("b", 0)], "Succeeded"],
    ["OnFailure", [exited("a", 1), exited("b", 0)], "Running"],
  ])("%s with %j is %s", (restartPolicy, containers, phase) => {
    expect(statusOf(two(restartPolicy), up(...containers)).phase).toBe(phase);
  });

  it.each<[string, corev1.RestartPolicy, ContainerRecord[], string]>([
    ["an init container runs", "Never", [record("init")], "Pending"],
    ["an init container failed for good", "Never", [exited("init", 1)], "Failed"],
    ["an init container failed and is tried again", "Always", [exited("init", 1)], "Pending"],
    ["init is done", "Always", [record("app"), exited("init", 0)], "Running"],
  ])("%s", (_, restartPolicy, containers, phase) => {
    expect(statusOf(pod({ restartPolicy, initContainers: [container("init")] }), up(...containers)).phase).toBe(phase);
  });

  it("is not held back by a sidecar that restarts", () => {
    const wanted = pod({ initContainers: [container("side", { restartPolicy: "Always" })] });
    expect(statusOf(wanted, up(record("app"), exited("side", 1))).phase).toBe("Running");
  });

  it("does not leave Succeeded or Failed", () => {
    const status = statusOf(pod({}), up(record("app")), { previous: { phase: "Failed", reason: "Evicted", message: "m" } });
    expect([status.phase, status.reason, status.message]).toEqual(["Failed", "Evicted", "m"]);
  });

  it("ends only when nothing runs: a pod told to stop", () => {
    const wanted = pod({
      restartPolicy: "Never",
      containers: [container("a")],
      initContainers: [container("side", { restartPolicy: "Always" })],
    });
    const last = runtimeState([sandbox()], [exited("a", 0), record("side")]);
    expect(statusOf(wanted, last, { stage: "stopping" }).phase).toBe("Running");
    expect(
      statusOf(wanted, runtimeState([sandbox({ ready: false })], [exited("a", 0), exited("side", 137)]), { stage: "stopped" }).phase,
    ).toBe("Succeeded");
  });

  it("fails a pod that was stopped before it ever ran", () => {
    expect(statusOf(pod({}), runtimeState([]), { stage: "stopped" }).phase).toBe("Failed");
  });

  it("fails with the kubelet's verdict", () => {
    const status = statusOf(pod({}), up(record("app")), { verdict: { reason: "DeadlineExceeded", message: "late" } });
    expect([status.phase, status.reason]).toEqual(["Failed", "DeadlineExceeded"]);
  });
});

describe("conditions", () => {
  it("are in upstream's order", () => {
    expect(statusOf(pod({}), up(record("app"))).conditions?.map(({ type, status }) => `${type}=${status}`)).toEqual([
      "PodReadyToStartContainers=True",
      "Initialized=True",
      "Ready=True",
      "ContainersReady=True",
      "PodScheduled=True",
    ]);
  });

  it.each([
    ["ContainersReady", [exited("app", 1)], "ContainersNotReady", "containers with unready status: [app]"],
    ["Ready", [exited("app", 1)], "ContainersNotReady", "containers with unready status: [app]"],
    ["Initialized", [exited("init", 1)], "ContainersNotInitialized", "containers with incomplete status: [init]"],
  ])("%s is False with reason and message", (type, containers, reason, message) => {
    const wanted = pod({ initContainers: type === "Initialized" ? [container("init")] : [] });
    expect(condition(statusOf(wanted, up(...containers)), type)).toMatchObject({ status: "False", reason, message });
  });

  it.each([
    [0, "Succeeded", "PodCompleted"],
    [1, "Failed", "PodFailed"],
  ])("after exit %i (%s) says %s", (exitCode, phase, reason) => {
    const status = statusOf(pod({ restartPolicy: "Never" }), up(exited("app", exitCode)));
    expect(status.phase).toBe(phase);
    expect(condition(status, "Ready")).toMatchObject({ status: "False", reason });
    expect(condition(status, "ContainersReady")).toMatchObject({ status: "False", reason });
  });

  it.each([
    ["runs", record("app")],
    ["has ended", exited("app", 1)],
  ])("is Initialized once a container %s, whatever is left of the init containers", (_, app) => {
    const status = statusOf(pod({ initContainers: [container("init")] }), up(app));
    expect(condition(status, "Initialized")).toMatchObject({ status: "True" });
  });

  it("waits for readiness gates, and names each", () => {
    const wanted = pod({ readinessGates: [{ conditionType: "a.io/x" }, { conditionType: "a.io/y" }] });
    const status = statusOf(wanted, up(record("app")), { previous: { conditions: [{ type: "a.io/y", status: "False" }] } });
    expect(condition(status, "ContainersReady")?.status).toBe("True");
    expect(condition(status, "Ready")).toMatchObject({
      status: "False",
      reason: "ReadinessGatesNotReady",
      message:
        'corresponding condition of pod readiness gate "a.io/x" does not exist., the status of pod readiness gate "a.io/y" is not "True", but False',
    });
  });

  it("moves lastTransitionTime only with the status", () => {
    const first = statusOf(pod({}), up());
    const second = statusOf(pod({}), up(record("app")), { previous: first, nowMs: 20_000 });
    expect(condition(second, "PodScheduled")?.lastTransitionTime).toBe("1970-01-01T00:00:10Z");
    expect(condition(second, "Ready")?.lastTransitionTime).toBe("1970-01-01T00:00:20Z");
  });
});

describe("container statuses", () => {
  const of = (status: corev1.PodStatus): corev1.ContainerStatus | undefined => status.containerStatuses?.[0];

  it("waits with ContainerCreating, or PodInitializing behind init containers", () => {
    expect(of(statusOf(pod({}), up()))?.state).toEqual({ waiting: { reason: "ContainerCreating" } });
    expect(of(statusOf(pod({ initContainers: [container("init")] }), up()))?.state).toEqual({ waiting: { reason: "PodInitializing" } });
  });

  it("runs: ID with its scheme, start, ready", () => {
    expect(of(statusOf(pod({}), up(record("app", { restartCount: 2 }))))).toMatchObject({
      containerID: "lenj://app-0",
      restartCount: 2,
      ready: true,
      started: true,
      state: { running: { startedAt: "1970-01-01T00:00:01Z" } },
    });
  });

  it.each([
    [0, "", "Completed"],
    [1, "", "Error"],
    [137, "OOMKilled", "OOMKilled"],
  ])("ended with %i %s: %s", (exitCode, reason, shown) => {
    expect(of(statusOf(pod({ restartPolicy: "Never" }), up(exited("app", exitCode, { reason }))))?.state?.terminated).toMatchObject({
      exitCode,
      reason: shown,
      startedAt: "1970-01-01T00:00:01Z",
      finishedAt: "1970-01-01T00:00:02Z",
      containerID: "lenj://app-0",
    });
  });

  it("waits for its back-off with the last end beside it", () => {
    const status = of(
      statusOf(pod({}), up(exited("app", 3)), { waiting: new Map([["app", { reason: "CrashLoopBackOff", message: "back-off" }]]) }),
    );
    expect(status?.state).toEqual({ waiting: { reason: "CrashLoopBackOff", message: "back-off" } });
    expect(status?.lastState?.terminated?.exitCode).toBe(3);
  });

  it("shows the run before as lastState", () => {
    const status = of(statusOf(pod({}), up(record("app", { id: "app-1", restartCount: 1 }), exited("app", 4))));
    expect(status?.lastState?.terminated).toMatchObject({ exitCode: 4, containerID: "lenj://app-0" });
  });

  it.each([
    ["readinessProbe", "readiness", { ready: false, started: true }],
    ["startupProbe", "startup", { ready: false, started: false }],
  ] as const)("with a %s that has not passed", (field, kind, expected) => {
    const wanted = pod({ containers: [container("app", { [field]: {} })] });
    expect(of(statusOf(wanted, up(record("app")), { findings: { ...findings, [kind]: () => "unknown" } }))).toMatchObject(expected);
  });

  it("that vanished from the runtime counts as a restart of unknown end", () => {
    const before = statusOf(pod({}), up(record("app")));
    const status = of(statusOf(pod({}), up(), { previous: before }));
    expect(status).toMatchObject({ restartCount: 1, lastState: { terminated: { reason: "ContainerStatusUnknown", exitCode: 137 } } });
  });

  it("keeps an end that the runtime has forgotten", () => {
    const before = statusOf(pod({ restartPolicy: "Never" }), up(exited("app", 5)));
    expect(of(statusOf(pod({ restartPolicy: "Never" }), runtimeState([]), { previous: before }))?.state?.terminated?.exitCode).toBe(5);
  });

  it("of an init container is ready once it succeeded", () => {
    const wanted = pod({ initContainers: [container("init")] });
    expect(statusOf(wanted, up(exited("init", 0))).initContainerStatuses?.[0]?.ready).toBe(true);
    expect(statusOf(wanted, up(record("init"))).initContainerStatuses?.[0]?.ready).toBe(false);
  });
});

describe("addresses and class", () => {
  it("tells the sandbox's addresses, the node's in its network, and remembers them", () => {
    const status = statusOf(pod({}), up(record("app")));
    expect([status.podIP, status.hostIP, status.qosClass]).toEqual(["10.244.0.2", "192.168.0.1", "BestEffort"]);
    expect(statusOf(pod({}), runtimeState([]), { previous: status }).podIP).toBe("10.244.0.2");
    const host = runtimeState([sandbox({ hostNetwork: true, ips: [] })], [record("app")]);
    expect(statusOf(pod({ hostNetwork: true }), host).podIP).toBe("192.168.0.1");
  });

  it("of a pod that is refused", () => {
    expect(rejectedStatus(pod({}), { reason: "OutOfcpu", message: "Node didn't have enough resource: cpu" }, 0)).toMatchObject({
      phase: "Failed",
      reason: "OutOfcpu",
      message: "Pod was rejected: Node didn't have enough resource: cpu",
    });
  });
});
