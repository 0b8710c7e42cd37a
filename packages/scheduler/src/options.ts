import { boolFlag, durationFlag, type FlagValues, intFlag, stringFlag } from "@lenj/component-base";

/** Flags of the scheduler; names and defaults are kube-scheduler's. */
export const schedulerFlags = {
  kubeconfig: stringFlag("Path to the kubeconfig for the api-server"),
  "bind-address": stringFlag("Address of the health and metrics server", "0.0.0.0"),
  "secure-port": intFlag("Port of the health and metrics server (HTTPS); 0 for none", 10259),
  "tls-cert-file": stringFlag("Certificate of that server; without one it makes its own"),
  "tls-private-key-file": stringFlag("Key of that certificate"),
  "leader-elect": boolFlag("Schedule only while holding the lease, so that several schedulers can run", true),
  "leader-elect-lease-duration": durationFlag("How long a lease that is not renewed stands in others' way", 15_000),
  "leader-elect-renew-deadline": durationFlag("How long the leader tries to renew before it gives up", 10_000),
  "leader-elect-retry-period": durationFlag("Time between tries to get or renew the lease", 2_000),
  "leader-elect-resource-name": stringFlag("Name of the lease", "kube-scheduler"),
  "leader-elect-resource-namespace": stringFlag("Namespace of the lease", "kube-system"),
  "scheduler-name": stringFlag("Pods with this spec.schedulerName are scheduled", "default-scheduler"),
  "pod-initial-backoff": durationFlag("First wait of a pod that found no node", 1_000),
  "pod-max-backoff": durationFlag("Longest wait of a pod that found no node", 10_000),
} as const;

export type SchedulerOptions = FlagValues<typeof schedulerFlags>;

export function validateSchedulerOptions(options: SchedulerOptions): string[] {
  const problems: string[] = [];
  if (options.kubeconfig === "") problems.push("--kubeconfig is required");
  if (options.securePort < 0 || options.securePort > 65_535)
    problems.push(`--secure-port must be between 0 and 65535, inclusive, got ${options.securePort}`);
  if ((options.tlsCertFile === "") !== (options.tlsPrivateKeyFile === ""))
    problems.push("--tls-cert-file and --tls-private-key-file must be given together");
  if (options.leaderElectRenewDeadline >= options.leaderElectLeaseDuration)
    problems.push("--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline");
  if (options.leaderElectRetryPeriod * 1.2 >= options.leaderElectRenewDeadline)
    problems.push("--leader-elect-renew-deadline must be greater than 1.2 times --leader-elect-retry-period");
  if (options.podInitialBackoff <= 0) problems.push("--pod-initial-backoff must be greater than 0");
  if (options.podMaxBackoff < options.podInitialBackoff) problems.push("--pod-max-backoff must not be less than --pod-initial-backoff");
  return problems;
}
