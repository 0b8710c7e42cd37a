// Pod plan: (desired pod, runtime state) → what to do in the runtime now. Pure; the pod worker executes it.
//
// Owns:  the order sandbox → init containers and sidecars → containers, restarts, rebuilds of a lost sandbox.
// Not:   volumes, images and admission (done before), termination (see termination.ts), status (see status.ts).
// P1. Containers start only in a ready sandbox; a lost sandbox is rebuilt only if something is left to run in it.
// P2. An init container starts only after all before it have finished, or, being sidecars, have started.
// P3. No container starts earlier than its back-off allows.
// P4. When nothing runs and nothing is to be started, the whole pod is stopped: sidecars do not outlive the containers.
// Source: kuberuntime computePodActions, KEP-753.
import type { corev1 } from "@lenj/proto/k8s";
import { type ContainerRecord, latestContainer, type PodRuntimeState, type SandboxRecord } from "../runtime-state.js";
import { type Backoff, formatDelay } from "./backoff.js";
import { type ContainerRole, isRestartableInit, restartsOnFailure, shouldStart } from "./containers.js";
import { formatPod, hashContainer, podUID } from "./identity.js";
import { planInitContainers } from "./plan-init.js";

/** What the probes and hooks know of a running container. */
export interface ContainerFindings {
  liveness(containerID: string): ProbeVerdict;
  startup(containerID: string): ProbeVerdict;
}
export type ProbeVerdict = "success" | "failure" | "unknown";

export interface PlanInput {
  readonly pod: corev1.Pod;
  readonly runtime: PodRuntimeState;
  readonly findings: ContainerFindings;
  readonly backoff: Backoff;
  readonly nowMs: number;
}

export interface StartStep {
  readonly role: ContainerRole;
  readonly name: string;
  readonly because: string;
}

export interface KillStep {
  readonly containerID: string;
  readonly name: string;
  readonly because: string;
  readonly reason: "changed" | "liveness" | "startup" | "unknown";
}

/** A start that has to wait for its back-off. */
export interface HeldBack {
  readonly name: string;
  readonly untilMs: number;
  /** Waiting message of the container status. */
  readonly message: string;
}

export interface PodPlan {
  /** Stop everything of the pod first, sandbox included; undefined: nothing of the kind. */
  readonly killPod: { readonly because: string } | undefined;
  readonly createSandbox: { readonly attempt: number; readonly because: string } | undefined;
  readonly kill: readonly KillStep[];
  readonly start: readonly StartStep[];
  readonly heldBack: readonly HeldBack[];
}

/** Collects steps while the rules are walked. */
export class PlanDraft {
  readonly kill: KillStep[] = [];
  readonly start: StartStep[] = [];
  readonly heldBack: HeldBack[] = [];
  /** Containers that keep running as they are. */
  kept = 0;

  constructor(readonly input: PlanInput) {}

  /** Adds a start, or holds it back (P3). */
  wantStart(role: ContainerRole, container: corev1.Container, because: string): void {
    const latest = latestContainer(this.input.runtime, container.name);
    const untilMs =
      latest?.state === "exited"
        ? this.input.backoff.blockedUntilMs(backoffKey(this.input.pod, container), latest.finishedAtMs, this.input.nowMs)
        : undefined;
    if (untilMs === undefined) {
      this.start.push({ role, name: container.name, because });
      return;
    }
    const delay = formatDelay(this.input.backoff.delayMs(backoffKey(this.input.pod, container)));
    this.heldBack.push({
      name: container.name,
      untilMs,
      message: `back-off ${delay} restarting failed container=${container.name} pod=${formatPod(this.input.pod)}`,
    });
  }

  finish(more: Partial<Pick<PodPlan, "killPod" | "createSandbox">> = {}): PodPlan {
    return { killPod: more.killPod, createSandbox: more.createSandbox, kill: this.kill, start: this.start, heldBack: this.heldBack };
  }
}

/** Restart delays belong to a container definition in a pod: a changed image starts afresh. */
export function backoffKey(pod: corev1.Pod, container: corev1.Container): string {
  return `${podUID(pod)}/${container.name}/${hashContainer(container)}`;
}

export function planPod(input: PlanInput): PodPlan {
  const draft = new PlanDraft(input);
  const sandbox = judgeSandbox(input.pod, input.runtime);
  if (sandbox.rebuild !== undefined) return planNewSandbox(draft, sandbox.attempt, sandbox.rebuild);

  for (const ephemeral of input.pod.spec?.ephemeralContainers ?? []) {
    // Ephemeral containers run once and are never restarted.
    const name = ephemeral.name ?? "";
    if (latestContainer(input.runtime, name) === undefined) draft.start.push({ role: "ephemeral", name, because: "it was added" });
  }
  const init = planInitContainers(draft, sandbox.current);
  if (init.failedBecause !== undefined) return new PlanDraft(input).finish({ killPod: { because: init.failedBecause } });
  if (!init.done) return draft.finish();

  for (const container of input.pod.spec?.containers ?? []) planContainer(draft, "app", container);
  if (
    draft.kept === 0 &&
    draft.start.every((step) => step.role !== "app") &&
    draft.heldBack.every((held) => !isAppContainer(input.pod, held.name))
  ) {
    const running = input.runtime.containers.some((container) => container.state === "running");
    if (running || sandbox.current.ready) return new PlanDraft(input).finish({ killPod: { because: "no container is left to run" } });
  }
  return draft.finish();
}

/** Start, restart, kill or keep one regular container or an already started sidecar. */
export function planContainer(draft: PlanDraft, role: ContainerRole, container: corev1.Container): void {
  const { pod, runtime } = draft.input;
  const latest = latestContainer(runtime, container.name);
  if (latest === undefined || latest.state !== "running") {
    if (!shouldStart(pod, container, latest)) return;
    if (latest?.state === "unknown") {
      draft.kill.push({
        containerID: latest.id,
        name: container.name,
        reason: "unknown",
        because: `Container is in ${JSON.stringify("unknown")} state, try killing it before restart`,
      });
    }
    draft.wantStart(role, container, latest === undefined ? "it is not there" : `it is ${latest.state}`);
    return;
  }
  const fault = faultOf(draft.input, container, latest);
  if (fault === undefined) {
    draft.kept += 1;
    return;
  }
  const restart = fault.reason === "changed" || restartsOnFailure(pod, container);
  const because = restart ? `${fault.because}, will be restarted` : fault.because;
  draft.kill.push({ containerID: latest.id, name: container.name, reason: fault.reason, because });
  if (restart) draft.start.push({ role, name: container.name, because });
}

function faultOf(
  input: PlanInput,
  container: corev1.Container,
  running: ContainerRecord,
): Pick<KillStep, "reason" | "because"> | undefined {
  if (running.hash !== "" && running.hash !== hashContainer(container))
    return { reason: "changed", because: `Container ${container.name} definition changed` };
  if (input.findings.liveness(running.id) === "failure")
    return { reason: "liveness", because: `Container ${container.name} failed liveness probe` };
  if (input.findings.startup(running.id) === "failure")
    return { reason: "startup", because: `Container ${container.name} failed startup probe` };
  return undefined;
}

function isAppContainer(pod: corev1.Pod, name: string): boolean {
  return (pod.spec?.containers ?? []).some((container) => container.name === name);
}

type SandboxJudgement =
  | { readonly rebuild: string; readonly attempt: number; readonly current?: undefined }
  | { readonly rebuild?: undefined; readonly attempt?: undefined; readonly current: SandboxRecord };

function judgeSandbox(pod: corev1.Pod, runtime: PodRuntimeState): SandboxJudgement {
  const latest = runtime.sandboxes[0];
  if (latest === undefined) return { rebuild: "No sandbox for pod can be found. Need to start a new one", attempt: 0 };
  const attempt = latest.attempt + 1;
  if (runtime.sandboxes.filter((sandbox) => sandbox.ready).length > 1)
    return { rebuild: "Multiple sandboxes are ready for pod. Need to reconcile them", attempt };
  if (!latest.ready) return { rebuild: "No ready sandbox for pod can be found. Need to start a new one", attempt };
  const hostNetwork = pod.spec?.hostNetwork === true;
  if (latest.hostNetwork !== hostNetwork) return { rebuild: "Sandbox for pod has changed. Need to start a new one", attempt };
  if (!hostNetwork && latest.ips.length === 0) return { rebuild: "Sandbox for pod has no IP address. Need to start a new one", attempt };
  return { current: latest };
}

function planNewSandbox(draft: PlanDraft, attempt: number, because: string): PodPlan {
  const { pod, runtime } = draft.input;
  const ranBefore = runtime.containers.length > 0;
  const containers = pod.spec?.containers ?? [];
  const inits = pod.spec?.initContainers ?? [];
  // Whatever the old sandbox still holds is stopped even when no new one follows.
  const leftovers =
    runtime.sandboxes.some((sandbox) => sandbox.ready) || runtime.containers.some((container) => container.state === "running");
  const killPod = leftovers || attempt > 0 ? { because } : undefined;
  if (attempt > 0 && ranBefore && !containers.some((container) => restartsOnFailure(pod, container))) return draft.finish({ killPod });
  const toStart = containers.filter((container) => {
    const latest = latestContainer(runtime, container.name);
    return !(latest?.state === "exited" && latest.exitCode === 0 && !shouldStart(pod, container, latest));
  });
  if (
    toStart.length === 0 &&
    inits.filter((container) => !isRestartableInit(container)).every((container) => hasSucceeded(runtime, container.name))
  ) {
    return draft.finish({ killPod: leftovers ? { because } : undefined });
  }
  const first = inits[0];
  if (first !== undefined) draft.wantStart(isRestartableInit(first) ? "sidecar" : "init", first, "the sandbox is new");
  else for (const container of toStart) draft.wantStart("app", container, "the sandbox is new");
  // A pod whose every start is held back waits without a sandbox.
  if (draft.start.length === 0) return draft.finish({ killPod: leftovers ? { because } : undefined });
  return draft.finish({ killPod, createSandbox: { attempt, because } });
}

function hasSucceeded(runtime: PodRuntimeState, name: string): boolean {
  const latest = latestContainer(runtime, name);
  return latest?.state === "exited" && latest.exitCode === 0;
}
