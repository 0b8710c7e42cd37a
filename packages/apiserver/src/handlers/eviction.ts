// Evicting a pod: a deletion that asks the pod's disruption budget first.
// Source: pkg/registry/core/pod/storage/eviction.go.
import {
  cloneJSON,
  compileLabelSelector,
  type DeleteOptions,
  formatTime,
  isStatusError,
  type KubernetesObject,
  newBadRequest,
  newInternalError,
  newPlainError,
  newSuccess,
  newTooManyRequests,
  type StatusError,
} from "@lenj/apimachinery";
import type { corev1, policyv1 } from "@lenj/proto/k8s";
import type { Call, WriteOptions } from "./call.js";
import { deleteObject } from "./delete.js";
import { getObject } from "./get.js";
import { type Machine, storeOf, storeOfResource } from "./machine.js";
import type { ObjectStore } from "./object-store.js";

/** Pods named in a budget's status that are not gone yet. More means that their deletion is stuck. */
const disruptedPodsMax = 2_000;

export async function evictPod(machine: Machine, call: Call, body: KubernetesObject, options: WriteOptions): Promise<object> {
  const eviction = body as policyv1.Eviction;
  if (eviction.metadata?.name !== undefined && eviction.metadata.name !== call.name)
    throw newBadRequest("name in URL does not match name in Eviction object");
  const parent: Call = { ...call, endpoint: { declaration: call.endpoint.declaration, subresource: undefined } };
  const pod = (await getObject(machine, parent)).object as corev1.Pod;
  const dryRun = options.dryRun || (eviction.deleteOptions?.dryRun ?? []).length > 0;
  const deleteOptions: DeleteOptions = { ...(eviction.deleteOptions as DeleteOptions | undefined), ...(dryRun && { dryRun: ["All"] }) };
  if (!isExempt(pod)) await takeDisruption(machine, pod, dryRun, call.signal);
  if (!dryRun) await markDisrupted(machine, parent);
  await deleteObject(machine, parent, deleteOptions);
  return newSuccess(201);
}

/** Pods that run nothing cost their budget nothing. */
function isExempt({ metadata, status }: corev1.Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed" || status?.phase === "Pending" || Boolean(metadata?.deletionTimestamp);
}

async function takeDisruption(machine: Machine, pod: corev1.Pod, dryRun: boolean, signal: AbortSignal): Promise<void> {
  const store = storeOfResource(machine, "policy", "poddisruptionbudgets");
  const budgets = store.cache
    .list({ keyPrefix: `${pod.metadata?.namespace ?? ""}/`, exactKey: undefined, matches: undefined })
    .filter(({ object }) => {
      const selector = (object as policyv1.PodDisruptionBudget).spec?.selector;
      return selector !== undefined && compileLabelSelector(selector).matches(pod.metadata?.labels);
    });
  if (budgets.length > 1)
    throw newPlainError("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
  const budget = budgets[0];
  if (budget === undefined || isUnhealthyAndFree(pod, budget.object as policyv1.PodDisruptionBudget)) return;
  await reserve(store, { machine, key: budget.key, pod, dryRun, signal });
}

/** A pod that is not ready takes nothing away from those that are. Source: unhealthyPodEvictionPolicy, KEP-3017. */
function isUnhealthyAndFree(pod: corev1.Pod, budget: policyv1.PodDisruptionBudget): boolean {
  const isReady = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
  if (isReady) return false;
  if (budget.spec?.unhealthyPodEvictionPolicy === "AlwaysAllow") return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

async function reserve(
  store: ObjectStore,
  about: { machine: Machine; key: string; pod: corev1.Pod; dryRun: boolean; signal: AbortSignal },
): Promise<void> {
  try {
    await store.update(
      about.key,
      (current) => {
        const budget = cloneJSON(current.object) as policyv1.PodDisruptionBudget;
        checkBudget(budget);
        const status = budget.status as policyv1.PodDisruptionBudgetStatus;
        status.disruptionsAllowed = (status.disruptionsAllowed ?? 0) - 1;
        status.disruptedPods = { ...status.disruptedPods, [about.pod.metadata?.name ?? ""]: formatTime(about.machine.clock.wallMs()) };
        return about.dryRun ? { keep: true } : { write: budget };
      },
      about.signal,
    );
  } catch (error) {
    // A budget that vanished protects nothing any more.
    if (!isStatusError(error, "NotFound")) throw error;
  }
}

function checkBudget(budget: policyv1.PodDisruptionBudget): void {
  const name = budget.metadata?.name ?? "";
  const status = budget.status ?? ({} as policyv1.PodDisruptionBudgetStatus);
  if ((status.observedGeneration ?? 0) < (budget.metadata?.generation ?? 0)) {
    throw blocked([{ reason: "DisruptionBudget", message: `The disruption budget ${name} is still being processed by the server.` }], 10);
  }
  const allowed = status.disruptionsAllowed ?? 0;
  if (allowed < 0) throw newInternalError(new Error("pdb disruptions allowed is negative"));
  if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax)
    throw newInternalError(new Error("DisruptedPods map too big - too many evictions not confirmed by PDB controller"));
  if (allowed > 0) return;
  const failing = status.conditions?.find(
    ({ type, status: value, reason }) => type === "DisruptionAllowed" && value === "False" && reason === "SyncFailed",
  );
  const message =
    failing === undefined
      ? `The disruption budget ${name} needs ${status.desiredHealthy ?? 0} healthy pods and has ${status.currentHealthy ?? 0} currently`
      : `The disruption budget ${name} does not allow evicting pods currently (${failing.reason}): ${failing.message}`;
  throw blocked([{ reason: "DisruptionBudget", message }], 0);
}

function blocked(causes: { reason: string; message: string }[], retryAfterSeconds: number): StatusError {
  return newTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retryAfterSeconds, causes);
}

/** Says in the pod's status why it goes, for its owner. */
async function markDisrupted(machine: Machine, call: Call): Promise<void> {
  const store = storeOf(machine, call.endpoint.declaration);
  await store.update(
    store.keyOf(call.namespace, call.name),
    (current) => {
      const pod = cloneJSON(current.object) as corev1.Pod;
      const status = (pod.status ??= {});
      const others = (status.conditions ?? []).filter(({ type }) => type !== "DisruptionTarget");
      status.conditions = [
        ...others,
        {
          type: "DisruptionTarget",
          status: "True",
          reason: "EvictionByEvictionAPI",
          message: "Eviction API: evicting",
          lastTransitionTime: formatTime(machine.clock.wallMs()),
        },
      ];
      return { write: pod };
    },
    call.signal,
  );
}
