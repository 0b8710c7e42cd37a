// Objects that exist in every cluster: system namespaces, the service range, the two highest priority classes.
import { isStatusError } from "@lenj/apimachinery";
import type { GroupResource, KubeObject, ObjectReader, ObjectWriter, PostStartHook } from "../auth/ports.js";
import type { IPRange } from "../core/ip-range.js";

const namespaces = { group: "", resource: "namespaces" } as const;
const priorityClasses = { group: "scheduling.k8s.io", resource: "priorityclasses" } as const;
const serviceCIDRs = { group: "networking.k8s.io", resource: "servicecidrs" } as const;

export const systemNamespaces = ["kube-system", "kube-public", "kube-node-lease", "default"] as const;

const systemPriorityClasses = [
  {
    name: "system-node-critical",
    value: 2_000_001_000,
    description: "Used for system critical pods that must not be moved from their current node.",
  },
  {
    name: "system-cluster-critical",
    value: 2_000_000_000,
    description: "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
  },
] as const;

export function systemObjectHooks(serviceRanges: readonly IPRange[]): PostStartHook[] {
  return [
    {
      name: "start-system-namespaces-controller",
      run: async ({ reader, writer, signal }) => {
        for (const name of systemNamespaces)
          await ensure(reader, writer, namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } }, signal);
      },
    },
    {
      name: "scheduling/bootstrap-system-priority-classes",
      run: async ({ reader, writer, signal }) => {
        for (const { name, value, description } of systemPriorityClasses) {
          await ensure(
            reader,
            writer,
            priorityClasses,
            { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name }, value, description } as KubeObject,
            signal,
          );
        }
      },
    },
    {
      name: "start-kubernetes-service-cidr-controller",
      run: async ({ reader, writer, signal }) => {
        const cidrs = serviceRanges.map(({ text }) => text);
        await ensure(
          reader,
          writer,
          serviceCIDRs,
          { apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR", metadata: { name: "kubernetes" }, spec: { cidrs } } as KubeObject,
          signal,
        );
      },
    },
  ];
}

/** Creates a cluster-scoped object unless it exists. */
async function ensure(
  reader: ObjectReader,
  writer: ObjectWriter,
  resource: GroupResource,
  object: KubeObject,
  signal: AbortSignal,
): Promise<void> {
  if (reader.get(resource, undefined, object.metadata?.name ?? "") !== undefined) return;
  try {
    await writer.create(resource, undefined, object, signal);
  } catch (error) {
    // Another api-server was quicker.
    if (!isStatusError(error, "AlreadyExists")) throw error;
  }
}
