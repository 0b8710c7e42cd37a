// Names of the built-in resources, so that callers do not spell groups and plurals by hand.
import type { GroupVersionResource } from "./api-client.js";

const gvr = (group: string, version: string, resource: string): GroupVersionResource => Object.freeze({ group, version, resource });

/** Built-in resources by upstream's plural, in camel case where two words meet. */
export const resources = {
  bindings: gvr("", "v1", "bindings"),
  configMaps: gvr("", "v1", "configmaps"),
  endpoints: gvr("", "v1", "endpoints"),
  events: gvr("", "v1", "events"),
  limitRanges: gvr("", "v1", "limitranges"),
  namespaces: gvr("", "v1", "namespaces"),
  nodes: gvr("", "v1", "nodes"),
  persistentVolumeClaims: gvr("", "v1", "persistentvolumeclaims"),
  persistentVolumes: gvr("", "v1", "persistentvolumes"),
  pods: gvr("", "v1", "pods"),
  podTemplates: gvr("", "v1", "podtemplates"),
  replicationControllers: gvr("", "v1", "replicationcontrollers"),
  resourceQuotas: gvr("", "v1", "resourcequotas"),
  secrets: gvr("", "v1", "secrets"),
  serviceAccounts: gvr("", "v1", "serviceaccounts"),
  services: gvr("", "v1", "services"),
  controllerRevisions: gvr("apps", "v1", "controllerrevisions"),
  daemonSets: gvr("apps", "v1", "daemonsets"),
  deployments: gvr("apps", "v1", "deployments"),
  replicaSets: gvr("apps", "v1", "replicasets"),
  statefulSets: gvr("apps", "v1", "statefulsets"),
  tokenReviews: gvr("authentication.k8s.io", "v1", "tokenreviews"),
  subjectAccessReviews: gvr("authorization.k8s.io", "v1", "subjectaccessreviews"),
  horizontalPodAutoscalers: gvr("autoscaling", "v2", "horizontalpodautoscalers"),
  cronJobs: gvr("batch", "v1", "cronjobs"),
  jobs: gvr("batch", "v1", "jobs"),
  certificateSigningRequests: gvr("certificates.k8s.io", "v1", "certificatesigningrequests"),
  leases: gvr("coordination.k8s.io", "v1", "leases"),
  endpointSlices: gvr("discovery.k8s.io", "v1", "endpointslices"),
  ingresses: gvr("networking.k8s.io", "v1", "ingresses"),
  ingressClasses: gvr("networking.k8s.io", "v1", "ingressclasses"),
  networkPolicies: gvr("networking.k8s.io", "v1", "networkpolicies"),
  runtimeClasses: gvr("node.k8s.io", "v1", "runtimeclasses"),
  podDisruptionBudgets: gvr("policy", "v1", "poddisruptionbudgets"),
  clusterRoleBindings: gvr("rbac.authorization.k8s.io", "v1", "clusterrolebindings"),
  clusterRoles: gvr("rbac.authorization.k8s.io", "v1", "clusterroles"),
  roleBindings: gvr("rbac.authorization.k8s.io", "v1", "rolebindings"),
  roles: gvr("rbac.authorization.k8s.io", "v1", "roles"),
  priorityClasses: gvr("scheduling.k8s.io", "v1", "priorityclasses"),
  csiDrivers: gvr("storage.k8s.io", "v1", "csidrivers"),
  csiNodes: gvr("storage.k8s.io", "v1", "csinodes"),
  storageClasses: gvr("storage.k8s.io", "v1", "storageclasses"),
  volumeAttachments: gvr("storage.k8s.io", "v1", "volumeattachments"),
} as const satisfies Readonly<Record<string, GroupVersionResource>>;

/** "apps/v1", or "v1" for the core group: the `apiVersion` of objects of this resource. */
export function apiVersionOf(resource: Pick<GroupVersionResource, "group" | "version">): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/** "deployments.apps", or "pods": how upstream names a resource in messages. */
export function qualifiedResource(resource: Pick<GroupVersionResource, "group" | "resource">): string {
  return resource.group === "" ? resource.resource : `${resource.resource}.${resource.group}`;
}

/** "namespace/name", or "name" for a cluster-scoped object: the key of work queues and caches. */
export function objectName(object: {
  readonly metadata?: { readonly namespace?: string | undefined; readonly name?: string | undefined } | undefined;
}): string {
  const metadata = object.metadata;
  return metadata?.namespace === undefined || metadata.namespace === ""
    ? (metadata?.name ?? "")
    : `${metadata.namespace}/${metadata.name ?? ""}`;
}

/** The reverse of {@link objectName}. */
export function parseObjectName(key: string): { readonly namespace?: string; readonly name: string } {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
