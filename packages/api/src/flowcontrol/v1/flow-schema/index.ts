import { age, column, defineResource, defineTable, name, statusSubresource, withStatus } from "@lenj/apimachinery";
import type { flowcontrolv1 } from "@lenj/proto/k8s";

const gvk = { group: "flowcontrol.apiserver.k8s.io", version: "v1", kind: "FlowSchema" } as const;

export const flowSchema = defineResource<flowcontrolv1.FlowSchema>({
  gvk,
  plural: "flowschemas",
  scope: "Cluster",
  storageVersionHash: "GJVAJZSZBIw=",
  hasGeneration: true,
  defaults: ({ spec }) => void (spec && (spec.matchingPrecedence ||= 1000)),
  strategy: withStatus({}),
  subresources: [statusSubresource(gvk, { keepMetadata: "all" })],
  table: defineTable<flowcontrolv1.FlowSchema>([
    name,
    [column("PriorityLevel"), ({ spec }) => spec?.priorityLevelConfiguration?.name ?? ""],
    [column("MatchingPrecedence"), ({ spec }) => String(spec?.matchingPrecedence ?? 0)],
    [column("DistinguisherMethod"), ({ spec }) => spec?.distinguisherMethod?.type ?? "<none>"],
    age,
    [column("MissingPL"), ({ status }) => status?.conditions?.find(({ type }) => type === "Dangling")?.status ?? "?"],
  ]),
});
