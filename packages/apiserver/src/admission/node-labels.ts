// Labels that a node may not give itself. Source: plugin/pkg/admission/noderestriction, k8s.io/kubelet pkg/apis/well_known_labels.go.

const restricted = "node-restriction.kubernetes.io";
const ownNamespaces = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const ownLabels: ReadonlySet<string> = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/instance-type",
  "node.kubernetes.io/instance-type",
  "node.kubernetes.io/windows-build",
  "topology.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
]);

type Labels = Readonly<Record<string, string | undefined>> | undefined;

/** Keys, sorted, that differ between the two and are not the node's to change. */
export function forbiddenLabels(after: Labels, before: Labels): string[] {
  const changed = new Set([...Object.keys(after ?? {}), ...Object.keys(before ?? {})].filter((key) => after?.[key] !== before?.[key]));
  return [...changed].filter((key) => isForbidden(key)).sort();
}

function isForbidden(key: string): boolean {
  const slash = key.indexOf("/");
  const namespace = slash === -1 ? "" : key.slice(0, slash);
  if (isWithin(namespace, restricted)) return true;
  const isKubernetes = isWithin(namespace, "kubernetes.io") || isWithin(namespace, "k8s.io");
  return isKubernetes && !ownLabels.has(key) && !ownNamespaces.some((own) => isWithin(namespace, own));
}

function isWithin(namespace: string, domain: string): boolean {
  return namespace === domain || namespace.endsWith(`.${domain}`);
}
