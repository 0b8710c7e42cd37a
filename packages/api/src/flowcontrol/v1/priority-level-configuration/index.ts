import { age, column, defineResource, defineTable, name, statusSubresource, withStatus } from "@lenj/apimachinery";
import type { flowcontrolv1 } from "@lenj/proto/k8s";

const gvk = { group: "flowcontrol.apiserver.k8s.io", version: "v1", kind: "PriorityLevelConfiguration" } as const;

export const priorityLevelConfiguration = defineResource<flowcontrolv1.PriorityLevelConfiguration>({
  gvk,
  plural: "prioritylevelconfigurations",
  scope: "Cluster",
  storageVersionHash: "Kir5PVfvNeI=",
  hasGeneration: true,
  defaults({ spec }) {
    if (spec?.exempt !== undefined) {
      spec.exempt.nominalConcurrencyShares ??= 0;
      spec.exempt.lendablePercent ??= 0;
    }
    const limited = spec?.limited;
    if (limited === undefined) return;
    limited.nominalConcurrencyShares ??= 30;
    limited.lendablePercent ??= 0;
    const queuing = limited.limitResponse?.queuing;
    if (queuing === undefined) return;
    queuing.queues ||= 64;
    queuing.handSize ||= 8;
    queuing.queueLengthLimit ||= 50;
  },
  strategy: withStatus({}),
  subresources: [statusSubresource(gvk, { keepMetadata: "all" })],
  table: defineTable<flowcontrolv1.PriorityLevelConfiguration>([
    name,
    [column("Type"), ({ spec }) => spec?.type ?? ""],
    [column("NominalConcurrencyShares"), ({ spec }) => String(spec?.limited?.nominalConcurrencyShares ?? "<none>")],
    [column("Queues"), ({ spec }) => String(spec?.limited?.limitResponse?.queuing?.queues ?? "<none>")],
    [column("HandSize"), ({ spec }) => String(spec?.limited?.limitResponse?.queuing?.handSize ?? "<none>")],
    [column("QueueLengthLimit"), ({ spec }) => String(spec?.limited?.limitResponse?.queuing?.queueLengthLimit ?? "<none>")],
    age,
  ]),
});
