// Flags of the controller-manager, named and defaulted like kube-controller-manager's.
import { readFileSync } from "node:fs";
import { boolFlag, durationFlag, type FlagValues, floatFlag, intFlag, listFlag, stringFlag, validateTLSFiles } from "@lenj/component-base";
import { type ControllerManagerConfig, defaultConfig } from "./config.js";

export const flags = {
  kubeconfig: stringFlag("Path of the kubeconfig file that says where the api-server is and who we are"),
  controllers: listFlag("Controllers to run: '*' all on by default, 'foo' on, '-foo' off", ["*"]),
  "bind-address": stringFlag("Address on which to serve health and metrics", "0.0.0.0"),
  "secure-port": intFlag("Port on which to serve HTTPS; 0 serves nothing", 10257),
  "tls-cert-file": stringFlag("File with the serving certificate; without one a self-signed certificate is made"),
  "tls-private-key-file": stringFlag("File with the key of --tls-cert-file"),
  "leader-elect": boolFlag("Work only while holding the leader lease", true),
  "leader-elect-lease-duration": durationFlag("How long others wait after the last renewal before they take over", 15_000),
  "leader-elect-renew-deadline": durationFlag("How long the leader tries to renew before it gives up", 10_000),
  "leader-elect-retry-period": durationFlag("Time between tries to acquire or renew", 2_000),
  "leader-elect-resource-namespace": stringFlag("Namespace of the leader lease", "kube-system"),
  "leader-elect-resource-name": stringFlag("Name of the leader lease", "kube-controller-manager"),
  "root-ca-file": stringFlag("File with the root certificate published to every namespace"),
  "service-account-private-key-file": stringFlag("File with the PEM key that signs service-account tokens"),
  "allocate-node-cidrs": boolFlag("Give every node a range of pod addresses"),
  "cluster-cidr": listFlag("Address ranges of the cluster's pods"),
  "node-cidr-mask-size": intFlag("Size of a node's IPv4 pod range", defaultConfig.nodeCIDRMaskSize),
  "node-cidr-mask-size-ipv6": intFlag("Size of a node's IPv6 pod range", defaultConfig.nodeCIDRMaskSizeIPv6),
  "node-monitor-period": durationFlag("Time between looks at the nodes", defaultConfig.nodeMonitorPeriodMs),
  "node-monitor-grace-period": durationFlag("A node silent for this long is not ready", defaultConfig.nodeMonitorGracePeriodMs),
  "node-startup-grace-period": durationFlag("The same for a node that never was ready", defaultConfig.nodeStartupGracePeriodMs),
  "node-eviction-rate": floatFlag("Nodes a second whose pods may be evicted in a healthy zone", defaultConfig.nodeEvictionRate),
  "secondary-node-eviction-rate": floatFlag("The same in an unhealthy zone", defaultConfig.secondaryNodeEvictionRate),
  "unhealthy-zone-threshold": floatFlag("Share of not ready nodes from which a zone is unhealthy", defaultConfig.unhealthyZoneThreshold),
  "large-cluster-size-threshold": intFlag("Nodes from which a cluster is large", defaultConfig.largeClusterSizeThreshold),
  "terminated-pod-gc-threshold": intFlag(
    "Finished pods kept before the oldest are deleted; 0 keeps all",
    defaultConfig.terminatedPodGCThreshold,
  ),
  "namespace-sync-period": durationFlag(
    "Time between looks at a namespace that cannot be deleted yet",
    defaultConfig.namespaceSyncPeriodMs,
  ),
  "max-endpoints-per-slice": intFlag("Endpoints in one EndpointSlice, 1 to 1000", defaultConfig.maxEndpointsPerSlice),
  "concurrent-deployment-syncs": intFlag("Deployments worked on at once", defaultConfig.concurrentDeploymentSyncs),
  "concurrent-replicaset-syncs": intFlag("ReplicaSets worked on at once", defaultConfig.concurrentReplicaSetSyncs),
  "concurrent-endpoint-syncs": intFlag("Endpoints worked on at once", defaultConfig.concurrentEndpointSyncs),
  "concurrent-service-endpoint-syncs": intFlag(
    "Services whose EndpointSlices are worked on at once",
    defaultConfig.concurrentServiceEndpointSyncs,
  ),
  "concurrent-namespace-syncs": intFlag("Namespaces deleted at once", defaultConfig.concurrentNamespaceSyncs),
  "concurrent-gc-syncs": intFlag("Objects the garbage collector works on at once", defaultConfig.concurrentGCSyncs),
  "concurrent-serviceaccount-token-syncs": intFlag("Token Secrets worked on at once", defaultConfig.concurrentServiceAccountTokenSyncs),
} as const;

export type ControllerManagerOptions = FlagValues<typeof flags>;

/** Everything wrong with the options. */
export function validateOptions(options: ControllerManagerOptions): string[] {
  const problems = validateTLSFiles(
    { certFile: options.tlsCertFile, keyFile: options.tlsPrivateKeyFile },
    { cert: "tls-cert-file", key: "tls-private-key-file" },
  );
  if (options.kubeconfig === "") problems.push("--kubeconfig is required");
  if (options.securePort < 0 || options.securePort > 65535)
    problems.push(`--secure-port ${options.securePort} must be between 0 and 65535, inclusive`);
  if (options.leaderElectLeaseDuration <= options.leaderElectRenewDeadline)
    problems.push("--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline");
  if (options.leaderElectRenewDeadline <= options.leaderElectRetryPeriod * 1.2)
    problems.push("--leader-elect-renew-deadline must be greater than --leader-elect-retry-period times 1.2");
  if (options.maxEndpointsPerSlice < 1 || options.maxEndpointsPerSlice > 1000)
    problems.push("--max-endpoints-per-slice must be between 1 and 1000");
  if (options.allocateNodeCidrs && options.clusterCidr.length === 0)
    problems.push("--cluster-cidr must be given when --allocate-node-cidrs is true");
  if (options.nodeMonitorGracePeriod <= options.nodeMonitorPeriod)
    problems.push("--node-monitor-grace-period must be greater than --node-monitor-period");
  for (const [flag, file] of [
    ["root-ca-file", options.rootCaFile],
    ["service-account-private-key-file", options.serviceAccountPrivateKeyFile],
  ] as const) {
    if (file !== "" && readOrProblem(file) instanceof Error) problems.push(`--${flag}: ${(readOrProblem(file) as Error).message}`);
  }
  return problems;
}

export function configOf(options: ControllerManagerOptions): ControllerManagerConfig {
  return Object.freeze({
    concurrentDeploymentSyncs: options.concurrentDeploymentSyncs,
    concurrentReplicaSetSyncs: options.concurrentReplicasetSyncs,
    concurrentEndpointSyncs: options.concurrentEndpointSyncs,
    concurrentServiceEndpointSyncs: options.concurrentServiceEndpointSyncs,
    concurrentNamespaceSyncs: options.concurrentNamespaceSyncs,
    concurrentGCSyncs: options.concurrentGcSyncs,
    concurrentServiceAccountTokenSyncs: options.concurrentServiceaccountTokenSyncs,
    maxEndpointsPerSlice: options.maxEndpointsPerSlice,
    namespaceSyncPeriodMs: options.namespaceSyncPeriod,
    nodeMonitorPeriodMs: options.nodeMonitorPeriod,
    nodeMonitorGracePeriodMs: options.nodeMonitorGracePeriod,
    nodeStartupGracePeriodMs: options.nodeStartupGracePeriod,
    nodeEvictionRate: options.nodeEvictionRate,
    secondaryNodeEvictionRate: options.secondaryNodeEvictionRate,
    unhealthyZoneThreshold: options.unhealthyZoneThreshold,
    largeClusterSizeThreshold: options.largeClusterSizeThreshold,
    terminatedPodGCThreshold: options.terminatedPodGcThreshold,
    clusterCIDRs: options.allocateNodeCidrs ? options.clusterCidr : [],
    nodeCIDRMaskSize: options.nodeCidrMaskSize,
    nodeCIDRMaskSizeIPv6: options.nodeCidrMaskSizeIpv6,
    rootCA: options.rootCaFile === "" ? "" : readFileSync(options.rootCaFile, "utf8"),
    serviceAccountPrivateKey: options.serviceAccountPrivateKeyFile === "" ? "" : readFileSync(options.serviceAccountPrivateKeyFile, "utf8"),
  });
}

function readOrProblem(file: string): string | Error {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    return error as Error;
  }
}
