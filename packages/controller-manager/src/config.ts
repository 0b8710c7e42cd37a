/** Decided settings of the controllers; times in milliseconds. */
export interface ControllerManagerConfig {
  readonly concurrentDeploymentSyncs: number;
  readonly concurrentReplicaSetSyncs: number;
  readonly concurrentEndpointSyncs: number;
  readonly concurrentServiceEndpointSyncs: number;
  readonly concurrentNamespaceSyncs: number;
  readonly concurrentGCSyncs: number;
  readonly concurrentServiceAccountTokenSyncs: number;
  readonly maxEndpointsPerSlice: number;
  readonly namespaceSyncPeriodMs: number;
  readonly nodeMonitorPeriodMs: number;
  readonly nodeMonitorGracePeriodMs: number;
  readonly nodeStartupGracePeriodMs: number;
  readonly nodeEvictionRate: number;
  readonly secondaryNodeEvictionRate: number;
  readonly unhealthyZoneThreshold: number;
  readonly largeClusterSizeThreshold: number;
  readonly terminatedPodGCThreshold: number;
  /** Empty: node ranges are not allocated. */
  readonly clusterCIDRs: readonly string[];
  readonly nodeCIDRMaskSize: number;
  readonly nodeCIDRMaskSizeIPv6: number;
  /** PEM; empty: not published. */
  readonly rootCA: string;
  /** PEM; empty: tokens for Secrets are not made. */
  readonly serviceAccountPrivateKey: string;
}

export const defaultConfig: ControllerManagerConfig = {
  concurrentDeploymentSyncs: 5,
  concurrentReplicaSetSyncs: 5,
  concurrentEndpointSyncs: 5,
  concurrentServiceEndpointSyncs: 5,
  concurrentNamespaceSyncs: 10,
  concurrentGCSyncs: 20,
  concurrentServiceAccountTokenSyncs: 5,
  maxEndpointsPerSlice: 100,
  namespaceSyncPeriodMs: 300_000,
  nodeMonitorPeriodMs: 5_000,
  nodeMonitorGracePeriodMs: 50_000,
  nodeStartupGracePeriodMs: 60_000,
  nodeEvictionRate: 0.1,
  secondaryNodeEvictionRate: 0.01,
  unhealthyZoneThreshold: 0.55,
  largeClusterSizeThreshold: 50,
  terminatedPodGCThreshold: 12_500,
  clusterCIDRs: [],
  nodeCIDRMaskSize: 24,
  nodeCIDRMaskSizeIPv6: 64,
  rootCA: "",
  serviceAccountPrivateKey: "",
};
