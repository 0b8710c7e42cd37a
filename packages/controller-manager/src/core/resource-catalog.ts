// The resources that namespaces contain and the garbage collector follows: every persisted built-in resource in its
// preferred version. Source: the discovery document of Kubernetes 1.35. Events of both groups share storage: one is listed.
import type { GroupVersionResource } from "@lenj/client";

export interface CatalogEntry extends GroupVersionResource {
  readonly kind: string;
  readonly namespaced: boolean;
}

const namespaced = (group: string, version: string, kinds: Readonly<Record<string, string>>): CatalogEntry[] =>
  Object.entries(kinds).map(([resource, kind]) => ({ group, version, resource, kind, namespaced: true }));
const clusterScoped = (group: string, version: string, kinds: Readonly<Record<string, string>>): CatalogEntry[] =>
  Object.entries(kinds).map(([resource, kind]) => ({ group, version, resource, kind, namespaced: false }));

export const resourceCatalog: readonly CatalogEntry[] = [
  ...namespaced("", "v1", {
    configmaps: "ConfigMap",
    endpoints: "Endpoints",
    events: "Event",
    limitranges: "LimitRange",
    persistentvolumeclaims: "PersistentVolumeClaim",
    pods: "Pod",
    podtemplates: "PodTemplate",
    replicationcontrollers: "ReplicationController",
    resourcequotas: "ResourceQuota",
    secrets: "Secret",
    serviceaccounts: "ServiceAccount",
    services: "Service",
  }),
  ...clusterScoped("", "v1", {
    namespaces: "Namespace",
    nodes: "Node",
    persistentvolumes: "PersistentVolume",
  }),
  ...clusterScoped("apiregistration.k8s.io", "v1", {
    apiservices: "APIService",
  }),
  ...namespaced("apps", "v1", {
    controllerrevisions: "ControllerRevision",
    daemonsets: "DaemonSet",
    deployments: "Deployment",
    replicasets: "ReplicaSet",
    statefulsets: "StatefulSet",
  }),
  ...namespaced("autoscaling", "v2", {
    horizontalpodautoscalers: "HorizontalPodAutoscaler",
  }),
  ...namespaced("batch", "v1", {
    cronjobs: "CronJob",
    jobs: "Job",
  }),
  ...clusterScoped("certificates.k8s.io", "v1", {
    certificatesigningrequests: "CertificateSigningRequest",
  }),
  ...clusterScoped("networking.k8s.io", "v1", {
    ingressclasses: "IngressClass",
    ipaddresses: "IPAddress",
    servicecidrs: "ServiceCIDR",
  }),
  ...namespaced("networking.k8s.io", "v1", {
    ingresses: "Ingress",
    networkpolicies: "NetworkPolicy",
  }),
  ...namespaced("policy", "v1", {
    poddisruptionbudgets: "PodDisruptionBudget",
  }),
  ...clusterScoped("rbac.authorization.k8s.io", "v1", {
    clusterrolebindings: "ClusterRoleBinding",
    clusterroles: "ClusterRole",
  }),
  ...namespaced("rbac.authorization.k8s.io", "v1", {
    rolebindings: "RoleBinding",
    roles: "Role",
  }),
  ...clusterScoped("storage.k8s.io", "v1", {
    csidrivers: "CSIDriver",
    csinodes: "CSINode",
    storageclasses: "StorageClass",
    volumeattachments: "VolumeAttachment",
    volumeattributesclasses: "VolumeAttributesClass",
  }),
  ...namespaced("storage.k8s.io", "v1", {
    csistoragecapacities: "CSIStorageCapacity",
  }),
  ...clusterScoped("admissionregistration.k8s.io", "v1", {
    mutatingwebhookconfigurations: "MutatingWebhookConfiguration",
    validatingadmissionpolicies: "ValidatingAdmissionPolicy",
    validatingadmissionpolicybindings: "ValidatingAdmissionPolicyBinding",
    validatingwebhookconfigurations: "ValidatingWebhookConfiguration",
  }),
  ...clusterScoped("apiextensions.k8s.io", "v1", {
    customresourcedefinitions: "CustomResourceDefinition",
  }),
  ...clusterScoped("scheduling.k8s.io", "v1", {
    priorityclasses: "PriorityClass",
  }),
  ...namespaced("coordination.k8s.io", "v1", {
    leases: "Lease",
  }),
  ...clusterScoped("node.k8s.io", "v1", {
    runtimeclasses: "RuntimeClass",
  }),
  ...namespaced("discovery.k8s.io", "v1", {
    endpointslices: "EndpointSlice",
  }),
  ...clusterScoped("resource.k8s.io", "v1", {
    deviceclasses: "DeviceClass",
    resourceslices: "ResourceSlice",
  }),
  ...namespaced("resource.k8s.io", "v1", {
    resourceclaims: "ResourceClaim",
    resourceclaimtemplates: "ResourceClaimTemplate",
  }),
  ...clusterScoped("flowcontrol.apiserver.k8s.io", "v1", {
    flowschemas: "FlowSchema",
    prioritylevelconfigurations: "PriorityLevelConfiguration",
  }),
];

/** The entry an owner reference points to; any version of the kind counts. */
export function findByKind(apiVersion: string, kind: string): CatalogEntry | undefined {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  return resourceCatalog.find((entry) => entry.group === group && entry.kind === kind);
}
