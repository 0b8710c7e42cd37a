// Binding a pod to a node. Source: pkg/registry/core/pod/storage/storage.go BindingREST.
import {
  cloneJSON,
  field,
  formatTime,
  type KubernetesObject,
  newBadRequest,
  newConflict,
  newForbidden,
  newInvalid,
  newSuccess,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import type { Call, WriteOptions } from "./call.js";
import { type Machine, storeOf } from "./machine.js";

const subject = { group: "", resource: "pods/binding" } as const;

export async function bindPod(machine: Machine, call: Call, body: KubernetesObject, options: WriteOptions): Promise<object> {
  const binding = body as corev1.Binding;
  if (binding.metadata?.name !== undefined && binding.metadata.name !== "" && binding.metadata.name !== call.name)
    throw newBadRequest("name in URL does not match name in Binding object");
  const target = binding.target ?? {};
  const errors = [];
  if (target.kind !== undefined && target.kind !== "" && target.kind !== "Node")
    errors.push(field.notSupported("target.kind", target.kind, ["Node", "<empty>"]));
  if (!target.name) errors.push(field.required("target.name"));
  if (errors.length > 0) throw newInvalid({ group: "", kind: "Binding" }, call.name, errors);
  const store = storeOf(machine, call.endpoint.declaration);
  await store.update(
    store.keyOf(call.namespace, call.name),
    (current) => {
      const bound = bind(cloneJSON(current.object) as corev1.Pod, binding, formatTime(machine.clock.wallMs()));
      return options.dryRun ? { keep: true } : { write: bound };
    },
    call.signal,
  );
  return newSuccess(201);
}

function bind(pod: corev1.Pod, binding: corev1.Binding, now: string): corev1.Pod {
  const name = pod.metadata?.name ?? "";
  const spec = pod.spec as corev1.PodSpec;
  if (binding.metadata?.uid && binding.metadata.uid !== pod.metadata?.uid) {
    throw newConflict(
      subject,
      name,
      `Precondition failed: UID in precondition: ${binding.metadata.uid}, UID in object meta: ${pod.metadata?.uid ?? ""}`,
    );
  }
  if (pod.metadata?.deletionTimestamp) throw newConflict(subject, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  if (spec.nodeName) throw newConflict(subject, name, `pod ${name} is already assigned to node ${JSON.stringify(spec.nodeName)}`);
  if ((spec.schedulingGates ?? []).length > 0) throw newConflict(subject, name, `pod ${name} has non-empty .spec.schedulingGates`);
  if (binding.target?.name === undefined) throw newForbidden(subject, name, "no target");
  spec.nodeName = binding.target.name;
  if (binding.metadata?.annotations !== undefined && pod.metadata !== undefined)
    pod.metadata.annotations = { ...pod.metadata.annotations, ...binding.metadata.annotations };
  const status = (pod.status ??= {});
  const conditions = (status.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
  const before = status.conditions?.find(({ type }) => type === "PodScheduled");
  status.conditions = [
    ...conditions,
    { type: "PodScheduled", status: "True", lastTransitionTime: before?.status === "True" ? before.lastTransitionTime : now },
  ];
  if (pod.metadata?.generation !== undefined) pod.metadata.generation += 1;
  return pod;
}
