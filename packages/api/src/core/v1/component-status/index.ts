import { column, coreUnknownFieldLabel, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

const verdicts: Readonly<Record<string, string>> = { True: "Healthy", False: "Unhealthy" };

/** Health of control-plane processes, made on request. Not kept. */
export const componentStatus = defineResource<corev1.ComponentStatus>({
  gvk: { group: "", version: "v1", kind: "ComponentStatus" },
  plural: "componentstatuses",
  shortNames: ["cs"],
  scope: "Cluster",
  verbs: ["get", "list"],
  storage: null,
  singular: "componentstatus",
  unknownFieldLabel: coreUnknownFieldLabel,
  deprecationWarning: "v1 ComponentStatus is deprecated in v1.19+",
  table: defineTable<corev1.ComponentStatus>([
    name,
    [column("Status", { description: "Healthy, Unhealthy or Unknown." }), (object) => verdicts[health(object)?.status ?? ""] ?? "Unknown"],
    [column("Message", { description: "What the check said." }), (object) => health(object)?.message ?? ""],
    [column("Error", { description: "Why the check failed." }), (object) => health(object)?.error ?? ""],
  ]),
});

function health({ conditions }: corev1.ComponentStatus): corev1.ComponentCondition | undefined {
  return conditions?.find((condition) => condition.type === "Healthy");
}
