import { age, column, defineResource, defineTable, FieldPath, forbidden, name, validateImmutable } from "@lenj/apimachinery";
import type { schedulingv1 } from "@lenj/proto/k8s";

const gvk = { group: "scheduling.k8s.io", version: "v1", kind: "PriorityClass" } as const;

const userPriorityMax = 1_000_000_000;
const systemPriorities: Readonly<Record<string, number>> = {
  "system-cluster-critical": 2_000_000_000,
  "system-node-critical": 2_000_001_000,
};

export const priorityClass = defineResource<schedulingv1.PriorityClass>({
  gvk,
  plural: "priorityclasses",
  scope: "Cluster",
  storageVersionHash: "1QwjyaZjj3Y=",
  shortNames: ["pc"],
  hasGeneration: true,
  defaults: (object) => void (object.preemptionPolicy ??= "PreemptLowerPriority"),
  strategy: {
    validateCreate(object) {
      const value = object.value ?? 0;
      const system = (object.metadata?.name ?? "").startsWith("system-");
      const known = systemPriorities[object.metadata?.name ?? ""] === value;
      if (system && !known)
        return [
          forbidden(
            "metadata.name",
            "priority class names with 'system-' prefix are reserved for system use only. error: " +
              `${object.metadata?.name ?? ""} is not a known system priority class`,
          ),
        ];
      return !system && value > userPriorityMax
        ? [forbidden("value", `maximum allowed value of a user defined priority is ${userPriorityMax}`)]
        : [];
    },
    validateUpdate: (object, old) => [
      ...((object.value ?? 0) === (old.value ?? 0) ? [] : [forbidden("value", "may not be changed in an update.")]),
      ...validateImmutable(object.preemptionPolicy, old.preemptionPolicy, FieldPath.of("preemptionPolicy")),
    ],
  },
  table: defineTable<schedulingv1.PriorityClass>([
    name,
    [column("Value", { type: "integer" }), ({ value }) => value ?? 0],
    [column("Global-Default", { type: "boolean" }), ({ globalDefault }) => globalDefault ?? false],
    age,
    [column("PreemptionPolicy"), ({ preemptionPolicy }) => preemptionPolicy ?? ""],
  ]),
});
