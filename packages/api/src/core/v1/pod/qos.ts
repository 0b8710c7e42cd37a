// Quality-of-service class of a pod. Source: kubernetes pkg/apis/core/v1/helper/qos.
import { Quantity } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

export type QOSClass = "Guaranteed" | "Burstable" | "BestEffort";

const counted = ["cpu", "memory"] as const;

/** From containers and init containers, or from the pod's own resources when it has any. */
export function podQOSClass(spec: corev1.PodSpec): QOSClass {
  const own = spec.resources;
  const hasOwn = counted.some((resource) => own?.requests?.[resource] !== undefined || own?.limits?.[resource] !== undefined);
  const holders = hasOwn ? [own] : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((container) => container.resources);
  const requests = new Map<string, Quantity>();
  const limits = new Map<string, Quantity>();
  let guaranteed = true;
  for (const resources of holders) {
    addPositive(requests, resources?.requests);
    addPositive(limits, resources?.limits);
    if (counted.some((resource) => !isPositive(resources?.limits?.[resource]))) guaranteed = false;
  }
  if (requests.size === 0 && limits.size === 0) return "BestEffort";
  if (guaranteed) guaranteed = [...requests].every(([resource, quantity]) => limits.get(resource)?.equals(quantity) === true);
  return guaranteed && requests.size === limits.size ? "Guaranteed" : "Burstable";
}

function isPositive(text: string | undefined): boolean {
  return text !== undefined && Quantity.parse(text).sign() > 0;
}

function addPositive(sums: Map<string, Quantity>, list: Readonly<Record<string, string>> | undefined): void {
  for (const resource of counted) {
    const text = list?.[resource];
    if (text === undefined || !isPositive(text)) continue;
    sums.set(resource, (sums.get(resource) ?? Quantity.zero).add(Quantity.parse(text)));
  }
}
