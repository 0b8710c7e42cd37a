// Turns the name of a priority class into the number that the scheduler compares.
// Source: plugin/pkg/admission/priority.
import { newForbidden } from "@lenj/apimachinery";
import type { corev1, schedulingv1 } from "@lenj/proto/k8s";
import type { KubeObject } from "../auth/ports.js";
import type { AdmissionDependencies, AdmissionPlugin } from "./ports.js";

type PriorityClass = KubeObject & schedulingv1.PriorityClass;
const classes = { group: "scheduling.k8s.io", resource: "priorityclasses" };
const pods = { group: "", resource: "pods" };

export function priority({ reader }: AdmissionDependencies): AdmissionPlugin {
  return {
    name: "Priority",
    handles: (operation) => operation === "CREATE",
    admit: ({ resource, subresource, object }) => {
      if (resource.group !== "" || resource.resource !== "pods" || subresource !== "") return;
      const { spec, metadata } = object as KubeObject & corev1.Pod;
      if (spec === undefined) return;
      const found = spec.priorityClassName
        ? reader.get<PriorityClass>(classes, undefined, spec.priorityClassName)
        : defaultClass(reader.list<PriorityClass>(classes));
      if (spec.priorityClassName && found === undefined)
        throw newForbidden(pods, metadata?.name ?? "", `no PriorityClass with name ${spec.priorityClassName} was found`);
      const value = found?.value ?? 0;
      if (spec.priority !== undefined && spec.priority !== value) {
        throw newForbidden(
          pods,
          metadata?.name ?? "",
          `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
        );
      }
      if (found !== undefined && !spec.priorityClassName) spec.priorityClassName = found.metadata?.name ?? "";
      spec.priority = value;
      spec.preemptionPolicy ??= found?.preemptionPolicy ?? "PreemptLowerPriority";
    },
  };
}

/** Of several global defaults the lowest counts. */
function defaultClass(all: readonly PriorityClass[]): PriorityClass | undefined {
  return all.filter((candidate) => candidate.globalDefault === true).sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
}
