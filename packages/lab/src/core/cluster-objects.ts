// What the lab itself puts into its cluster: cluster DNS as upstream's installers do, with our dns process behind it. Pure.
import { type GroupVersionResource, type KubeObject, resources } from "@lenj/client";
import { dnsAddress, fabric } from "./topology.js";

const labels = { "k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS" };
const namespace = "kube-system";

/** Objects to create where they do not exist yet, in order. */
export function clusterObjects(): { resource: GroupVersionResource; object: KubeObject }[] {
  return [
    { resource: resources.services, object: dnsService() },
    { resource: resources.endpointSlices, object: dnsEndpointSlice() },
    ...controllers.map((name) => ({ resource: resources.clusterRoleBindings, object: controllerBinding(name) })),
    { resource: resources.clusterRoles, object: dnsRole() },
    { resource: resources.clusterRoleBindings, object: dnsRoleBinding() },
  ];
}

/** The controllers whose roles upstream's policy defines. */
const controllers: readonly string[] = [
  "attachdetach-controller",
  "certificate-controller",
  "clusterrole-aggregation-controller",
  "cronjob-controller",
  "daemon-set-controller",
  "deployment-controller",
  "disruption-controller",
  "endpoint-controller",
  "endpointslice-controller",
  "endpointslicemirroring-controller",
  "ephemeral-volume-controller",
  "expand-controller",
  "generic-garbage-collector",
  "horizontal-pod-autoscaler",
  "job-controller",
  "legacy-service-account-token-cleaner",
  "namespace-controller",
  "node-controller",
  "persistent-volume-binder",
  "pod-garbage-collector",
  "pv-protection-controller",
  "pvc-protection-controller",
  "replicaset-controller",
  "replication-controller",
  "resource-claim-controller",
  "resourcequota-controller",
  "root-ca-cert-publisher",
  "route-controller",
  "selinux-warning-controller",
  "service-account-controller",
  "service-cidrs-controller",
  "service-controller",
  "statefulset-controller",
  "ttl-after-finished-controller",
  "ttl-controller",
  "validatingadmissionpolicy-status-controller",
  "volumeattributesclass-protection-controller",
];

/** Our controller-manager runs all controllers under its own name, so that name gets each controller's role. */
function controllerBinding(name: string): KubeObject {
  return object(
    "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding",
    { name: `lab.lenj.dev:controller-manager:${name}` },
    {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: `system:controller:${name}` },
      subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "system:kube-controller-manager" }],
    },
  );
}

function dnsService(): KubeObject {
  const ports = [
    { name: "dns", port: 53, protocol: "UDP", targetPort: 53 },
    { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 53 },
  ];
  // No selector: the dns process is on a host of the fabric, not in a pod.
  return object("v1", "Service", { name: "kube-dns", namespace, labels }, { spec: { clusterIP: fabric.dnsServiceIP, ports } });
}

function dnsEndpointSlice(): KubeObject {
  return object(
    "discovery.k8s.io/v1",
    "EndpointSlice",
    {
      name: "kube-dns-lab",
      namespace,
      labels: { "kubernetes.io/service-name": "kube-dns", "endpointslice.kubernetes.io/managed-by": "lab.lenj.dev" },
    },
    {
      addressType: "IPv4",
      ports: [
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "dns-tcp", port: 53, protocol: "TCP" },
      ],
      endpoints: [{ addresses: [dnsAddress], conditions: { ready: true, serving: true, terminating: false } }],
    },
  );
}

function dnsRole(): KubeObject {
  return object(
    "rbac.authorization.k8s.io/v1",
    "ClusterRole",
    { name: "system:coredns" },
    {
      rules: [
        { apiGroups: [""], resources: ["endpoints", "services", "pods", "namespaces", "nodes"], verbs: ["list", "watch"] },
        { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
      ],
    },
  );
}

function dnsRoleBinding(): KubeObject {
  return object(
    "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding",
    { name: "system:coredns" },
    {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:coredns" },
      subjects: [{ kind: "ServiceAccount", name: "coredns", namespace }],
    },
  );
}

function object(
  apiVersion: string,
  kind: string,
  metadata: NonNullable<KubeObject["metadata"]>,
  rest: Record<string, unknown>,
): KubeObject {
  return { apiVersion, kind, metadata, ...rest };
}
