import {
  age,
  column,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  invalid,
  name,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { autoscalingv2 } from "@lenj/proto/k8s";

const gvk = { group: "autoscaling", version: "v2", kind: "HorizontalPodAutoscaler" } as const;

export const horizontalPodAutoscaler = defineResource<autoscalingv2.HorizontalPodAutoscaler>({
  gvk,
  plural: "horizontalpodautoscalers",
  scope: "Namespaced",
  storageVersionHash: "qwQve8ut294=",
  shortNames: ["hpa"],
  categories: ["all"],
  defaults({ spec }) {
    if (spec === undefined) return;
    spec.minReplicas ??= 1;
    if ((spec.metrics ?? []).length === 0)
      spec.metrics = [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } }];
  },
  strategy: withStatus({ validateCreate: validate, validateUpdate: validate }),
  subresources: [statusSubresource(gvk)],
  table: defineTable<autoscalingv2.HorizontalPodAutoscaler>([
    name,
    [column("Reference"), ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ""}/${spec?.scaleTargetRef?.name ?? ""}`],
    [column("Targets"), formatTargets],
    [column("MinPods"), ({ spec }) => String(spec?.minReplicas ?? "<unset>")],
    [column("MaxPods"), ({ spec }) => String(spec?.maxReplicas ?? 0)],
    [column("Replicas"), ({ status }) => String(status?.currentReplicas ?? 0)],
    age,
  ]),
});

function formatTargets({ spec, status }: autoscalingv2.HorizontalPodAutoscaler): string {
  const texts = (spec?.metrics ?? []).map((metric, position) => {
    const source = metric.resource ?? metric.containerResource;
    if (source === undefined) return "<unknown>/<auto>";
    const current = (status?.currentMetrics?.[position]?.resource ?? status?.currentMetrics?.[position]?.containerResource)?.current;
    if (source.target.averageUtilization !== undefined)
      return `${source.name}: ${current?.averageUtilization === undefined ? "<unknown>" : `${current.averageUtilization}%`}/${source.target.averageUtilization}%`;
    return `${source.name}: ${current?.averageValue ?? "<unknown>"}/${source.target.averageValue ?? "<auto>"}`;
  });
  if (texts.length === 0) return "<none>";
  return texts.slice(0, 2).join(", ") + (texts.length > 2 ? ` + ${texts.length - 2} more...` : "");
}

function validate({ spec }: autoscalingv2.HorizontalPodAutoscaler): FieldError[] {
  const path = FieldPath.of("spec");
  const { minReplicas = 1, maxReplicas = 0 } = spec ?? {};
  const errors: FieldError[] = [];
  if (minReplicas < 1) errors.push(invalid(path.child("minReplicas"), minReplicas, "must be greater than or equal to 1"));
  if (maxReplicas < 1) errors.push(invalid(path.child("maxReplicas"), maxReplicas, "must be greater than 0"));
  else if (maxReplicas < minReplicas)
    errors.push(invalid(path.child("maxReplicas"), maxReplicas, "must be greater than or equal to `minReplicas`"));
  return errors;
}
