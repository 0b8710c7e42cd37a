// cgroup settings from requests and limits. Upstream: pkg/kubelet/cm/helpers_linux.go, pkg/kubelet/qos/policy.go.
import type { corev1 } from "@lenj/proto/k8s";
import { isRestartableInit } from "../pod/containers.js";
import { isNodeCriticalPod } from "../pod/identity.js";
import { milliUnits, wholeUnits } from "./amount.js";
import { podLimits, podRequests, qosClass } from "./pod-resources.js";

const minShares = 2;
const maxShares = 262_144;
export const quotaPeriodUs = 100_000;
const minQuotaUs = 1_000;

/** Settings of one cgroup; absent values are left as they are (unlimited in a new cgroup). */
export interface CgroupSettings {
  /** cgroup v1 cpu.shares, 2..262144. */
  readonly cpuShares: number;
  /** Microseconds of CPU per period. */
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  readonly memoryLimitBytes?: number;
  readonly pidsMax?: number;
}

export function sharesOf(milliCPU: number): number {
  if (milliCPU === 0) return minShares;
  return Math.min(Math.max(Math.floor((milliCPU * 1024) / 1000), minShares), maxShares);
}

/** cgroup v2 cpu.weight (1..10000) for v1 shares, by the conversion that container runtimes use. */
export function weightOf(shares: number): number {
  return 1 + Math.floor(((shares - 2) * 9999) / 262_142);
}

export function quotaOf(milliCPU: number): number | undefined {
  if (milliCPU === 0) return undefined;
  return Math.max(Math.floor((milliCPU * quotaPeriodUs) / 1000), minQuotaUs);
}

export function containerSettings(container: corev1.Container): CgroupSettings {
  const request = container.resources?.requests?.["cpu"] ?? container.resources?.limits?.["cpu"];
  const quota = quotaOf(milliUnits(container.resources?.limits?.["cpu"]));
  const memory = wholeUnits(container.resources?.limits?.["memory"]);
  return {
    cpuShares: sharesOf(milliUnits(request)),
    ...(quota === undefined ? {} : { cpuQuotaUs: quota, cpuPeriodUs: quotaPeriodUs }),
    ...(memory === 0 ? {} : { memoryLimitBytes: memory }),
  };
}

/** Settings of the pod's own cgroup, around its containers. */
export function podSettings(pod: corev1.Pod, pidsMax: number | undefined): CgroupSettings {
  const requests = podRequests(pod);
  const limits = podLimits(pod);
  const quota = quotaOf(limits["cpu"] ?? 0);
  const memory = limits["memory"] ?? 0;
  return {
    cpuShares: qosClass(pod) === "BestEffort" ? minShares : sharesOf(requests["cpu"] ?? 0),
    ...(quota === undefined ? {} : { cpuQuotaUs: quota, cpuPeriodUs: quotaPeriodUs }),
    ...(memory === 0 ? {} : { memoryLimitBytes: memory }),
    ...(pidsMax === undefined || pidsMax <= 0 ? {} : { pidsMax }),
  };
}

/**
 * oom_score_adj of a container: the more memory it requested, the later it is killed; a sidecar no earlier than the
 * containers it serves.
 */
export function oomScoreAdj(pod: corev1.Pod, container: corev1.Container, memoryCapacityBytes: number): number {
  if (isNodeCriticalPod(pod)) return -997;
  const qos = qosClass(pod);
  if (qos === "Guaranteed") return -997;
  if (qos === "BestEffort") return 1000;
  const request = isRestartableInit(container)
    ? Math.max(memoryRequest(container), Math.min(...(pod.spec?.containers ?? []).map(memoryRequest)))
    : memoryRequest(container);
  const score = 1000 - Math.floor((1000 * request) / memoryCapacityBytes);
  // Between a guaranteed and a best-effort container in any case.
  if (score < 3) return 3;
  return score === 1000 ? 999 : score;
}

function memoryRequest(container: corev1.Container): number {
  return wholeUnits(container.resources?.requests?.["memory"] ?? container.resources?.limits?.["memory"]);
}
