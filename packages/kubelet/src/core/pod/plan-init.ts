// Init containers and sidecars in their order (plan.ts, P2). Upstream: computeInitContainerActions.
import type { corev1 } from "@lenj/proto/k8s";
import type { ContainerRecord, SandboxRecord } from "../runtime-state.js";
import { isRestartableInit, restartsOnFailure } from "./containers.js";
import { type PlanDraft, planContainer } from "./plan.js";

export interface InitOutcome {
  /** All init containers finished and all sidecars started: containers may start. */
  readonly done: boolean;
  /** Set when an init container failed for good, so the pod fails. */
  readonly failedBecause?: string;
}

export function planInitContainers(draft: PlanDraft, sandbox: SandboxRecord): InitOutcome {
  const { pod, runtime } = draft.input;
  const inits = pod.spec?.initContainers ?? [];
  // Only containers of the present sandbox count: a new sandbox runs the init containers again.
  const inSandbox = runtime.containers.filter((container) => container.sandboxID === sandbox.id);
  const appNames = new Set((pod.spec?.containers ?? []).map((container) => container.name));
  // Once a container was created the init containers had all finished, even if their remains were removed since.
  const initialized = inSandbox.some((container) => appNames.has(container.name));
  for (const container of inits) {
    const latest = inSandbox.find((candidate) => candidate.name === container.name);
    if (isRestartableInit(container)) {
      const kept = draft.kept;
      planSidecar(draft, container, latest);
      draft.kept = kept; // Sidecars do not keep a pod alive (P4).
      if (!initialized && !isStarted(draft, container, latest)) return { done: false };
      continue;
    }
    if (initialized) continue;
    const outcome = planInit(draft, container, latest);
    if (outcome !== "finished") return outcome;
  }
  return { done: true };
}

function planSidecar(draft: PlanDraft, container: corev1.Container, latest: ContainerRecord | undefined): void {
  if (latest === undefined) draft.wantStart("sidecar", container, "it is not there");
  else planContainer(draft, "sidecar", container);
}

function isStarted(draft: PlanDraft, container: corev1.Container, latest: ContainerRecord | undefined): boolean {
  if (latest?.state !== "running") return false;
  return container.startupProbe === undefined || draft.input.findings.startup(latest.id) === "success";
}

function planInit(draft: PlanDraft, container: corev1.Container, latest: ContainerRecord | undefined): "finished" | InitOutcome {
  const { pod } = draft.input;
  if (latest === undefined) {
    draft.wantStart("init", container, "its turn has come");
    return { done: false };
  }
  switch (latest.state) {
    case "running":
      return { done: false };
    case "exited":
      if (latest.exitCode === 0) return "finished";
      if (!restartsOnFailure(pod, container))
        return { done: false, failedBecause: `init container ${container.name} failed and the restart policy is Never` };
      draft.wantStart("init", container, `it exited with ${latest.exitCode}`);
      return { done: false };
    case "unknown":
      draft.kill.push({
        containerID: latest.id,
        name: container.name,
        reason: "unknown",
        because: 'Init container is in "unknown" state, try killing it before restart',
      });
      draft.wantStart("init", container, "its state is unknown");
      return { done: false };
    case "created":
      // Created and started in one step: one that stayed created did not come up.
      draft.wantStart("init", container, "it was created but did not start");
      return { done: false };
  }
}
