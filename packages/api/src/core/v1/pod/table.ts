// What `kubectl get pods` shows. Source: kubernetes pkg/printers/internalversion (printPod).
import { age, column, defineTable, formatAge, name, type RowCondition } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

interface Progress {
  readonly ready: number;
  readonly total: number;
  readonly reason: string;
  readonly restarts: string;
}

export const podTable = defineTable<corev1.Pod>(
  [
    name,
    [
      column("Ready", { description: "Ready containers and all containers." }),
      (pod) => show(pod, ({ ready, total }) => `${ready}/${total}`),
    ],
    [column("Status", { description: "What the pod is doing, or why it is not." }), (pod) => show(pod, ({ reason }) => reason)],
    [
      column("Restarts", { description: "How often containers were restarted, and how long ago the last time was." }),
      (pod, nowMs) => observeProgress(pod, nowMs).restarts,
    ],
    age,
    [
      column("IP", { wide: true, description: "Address of the pod." }),
      ({ status }) => status?.podIPs?.[0]?.ip || status?.podIP || "<none>",
    ],
    [column("Node", { wide: true, description: "Node the pod is bound to." }), ({ spec }) => spec?.nodeName || "<none>"],
    [
      column("Nominated Node", { wide: true, description: "Node on which room is being made for the pod." }),
      ({ status }) => status?.nominatedNodeName || "<none>",
    ],
    [column("Readiness Gates", { wide: true, description: "Fulfilled and all readiness gates." }), formatReadinessGates],
  ],
  completedCondition,
);

function show(pod: corev1.Pod, pick: (progress: Progress) => string): string {
  return pick(observeProgress(pod, 0));
}

function completedCondition({ status }: corev1.Pod): RowCondition[] {
  if (status?.phase === "Succeeded")
    return [{ type: "Completed", status: "True", reason: "Succeeded", message: "The pod has completed successfully." }];
  if (status?.phase === "Failed") return [{ type: "Completed", status: "True", reason: "Failed", message: "The pod failed." }];
  return [];
}

class Restarts {
  count = 0;
  lastMs = 0;

  add(status: corev1.ContainerStatus): void {
    this.count += status.restartCount ?? 0;
    const finished = status.lastState?.terminated?.finishedAt;
    if (finished) this.lastMs = Math.max(this.lastMs, Date.parse(finished));
  }

  format(nowMs: number): string {
    if (this.count === 0 || this.lastMs === 0) return String(this.count);
    return `${this.count} (${formatAge(new Date(this.lastMs).toISOString(), nowMs)} ago)`;
  }
}

interface InitProgress {
  reason: string | undefined;
  ready: number;
  restarts: Restarts;
  sidecarRestarts: Restarts;
}

function observeProgress(pod: corev1.Pod, nowMs: number): Progress {
  const { spec, status = {} } = pod;
  let reason = status.reason || status.phase || "";
  const gated = status.conditions?.some((condition) => condition.type === "PodScheduled" && condition.reason === "SchedulingGated");
  if (gated) reason = "SchedulingGated";
  const sidecars = new Set(
    (spec?.initContainers ?? []).filter((container) => container.restartPolicy === "Always").map((container) => container.name),
  );
  const total = (spec?.containers ?? []).length + sidecars.size;
  const init = observeInit(pod, sidecars);
  let { ready } = init;
  let { restarts } = init;
  if (init.reason !== undefined) reason = init.reason;
  const initialized = status.conditions?.some((condition) => condition.type === "Initialized" && condition.status === "True") === true;
  if (init.reason === undefined || initialized) {
    restarts = init.sidecarRestarts;
    ({ reason, ready } = observeContainers(pod, { reason, ready, restarts }));
  }
  if (pod.metadata?.deletionTimestamp) {
    if (status.reason === "NodeLost") reason = "Unknown";
    else if (status.phase !== "Succeeded" && status.phase !== "Failed") reason = "Terminating";
  }
  return { ready, total, reason, restarts: restarts.format(nowMs) };
}

/** Init containers one after the other; the first that is not done gives the reason. */
function observeInit(pod: corev1.Pod, sidecars: ReadonlySet<string>): InitProgress {
  const progress: InitProgress = { reason: undefined, ready: 0, restarts: new Restarts(), sidecarRestarts: new Restarts() };
  const count = (pod.spec?.initContainers ?? []).length;
  for (const [position, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    progress.restarts.add(container);
    const sidecar = sidecars.has(container.name);
    if (sidecar) progress.sidecarRestarts.add(container);
    const { terminated, waiting } = container.state ?? {};
    if (terminated !== undefined && terminated.exitCode === 0) continue;
    if (sidecar && container.started === true) {
      if (container.ready) progress.ready += 1;
      continue;
    }
    if (terminated !== undefined) progress.reason = `Init:${formatTermination(terminated)}`;
    else if (waiting?.reason && waiting.reason !== "PodInitializing") progress.reason = `Init:${waiting.reason}`;
    else progress.reason = `Init:${position}/${count}`;
    break;
  }
  return progress;
}

function observeContainers(
  pod: corev1.Pod,
  from: { reason: string; ready: number; restarts: Restarts },
): { reason: string; ready: number } {
  let { reason, ready } = from;
  let hasRunning = false;
  let failure = "";
  for (const container of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    from.restarts.add(container);
    const { waiting, terminated, running } = container.state ?? {};
    if (waiting?.reason) {
      reason = waiting.reason;
    } else if (terminated !== undefined) {
      reason = formatTermination(terminated);
      if (terminated.exitCode !== 0) failure = reason;
    } else if (container.ready && running !== undefined) {
      hasRunning = true;
      ready += 1;
    }
  }
  if (reason !== "Completed") return { reason, ready };
  const podReady = pod.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") === true;
  if (hasRunning && podReady) reason = "Running";
  else if (failure !== "") reason = failure;
  else if (hasRunning) reason = "NotReady";
  return { reason, ready };
}

function formatTermination(terminated: corev1.ContainerStateTerminated): string {
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

function formatReadinessGates({ spec, status }: corev1.Pod): string {
  const gates = spec?.readinessGates ?? [];
  if (gates.length === 0) return "<none>";
  const fulfilled = gates.filter((gate) =>
    status?.conditions?.some((condition) => condition.type === gate.conditionType && condition.status === "True"),
  );
  return `${fulfilled.length}/${gates.length}`;
}
