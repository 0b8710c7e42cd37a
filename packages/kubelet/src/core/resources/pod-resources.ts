// Requests, limits and quality of service of a pod. Upstream: k8s.io/component-helpers/resource, pkg/apis/core/v1/helper/qos.
import type { corev1 } from "@lenj/proto/k8s";
import { isRestartableInit } from "../pod/containers.js";
import { milliUnits, parseAmount, wholeUnits } from "./amount.js";

export type QOSClass = "Guaranteed" | "Burstable" | "BestEffort";
export type ResourceAmounts = Readonly<Record<string, number>>;

/** CPU and memory requests and limits decide the class. */
export function qosClass(pod: corev1.Pod): QOSClass {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  let any = false;
  let guaranteed = true;
  for (const { resources } of containers) {
    for (const name of ["cpu", "memory"]) {
      const limit = parseAmount(resources?.limits?.[name] ?? 0) ?? 0;
      // A missing request defaults to the limit.
      const request = parseAmount(resources?.requests?.[name] ?? resources?.limits?.[name] ?? 0) ?? 0;
      if (limit > 0 || request > 0) any = true;
      if (limit <= 0 || limit !== request) guaranteed = false;
    }
  }
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

/** The class's level of the cgroup tree: Guaranteed pods sit directly under kubepods. */
export function qosCgroup(qos: QOSClass): string {
  return qos === "Guaranteed" ? "/kubepods" : `/kubepods/${qos.toLowerCase()}`;
}

export function podCgroup(pod: corev1.Pod): string {
  return `${qosCgroup(qosClass(pod))}/pod${pod.metadata?.uid ?? ""}`;
}

/** What the pod asks of a node per resource: cpu in milli, all else in whole units; overhead included. */
export function podRequests(pod: corev1.Pod): ResourceAmounts {
  return effective(pod, (container) => ({ ...(container.resources?.limits ?? {}), ...(container.resources?.requests ?? {}) }));
}

/** The pod's limit per resource; a resource that some container leaves open is absent. */
export function podLimits(pod: corev1.Pod): ResourceAmounts {
  const limits = effective(pod, (container) => container.resources?.limits ?? {});
  const open = (name: string): boolean =>
    (pod.spec?.containers ?? []).some((container) => wholeUnitsOf(name, container.resources?.limits?.[name]) === 0);
  return Object.fromEntries(Object.entries(limits).filter(([name]) => !open(name)));
}

/** cpu in milli, everything else in whole units. */
export function wholeUnitsOf(name: string, quantity: string | number | undefined): number {
  return name === "cpu" ? milliUnits(quantity) : wholeUnits(quantity);
}

// Sum of containers and sidecars, or the largest moment of initialisation if that is more.
function effective(pod: corev1.Pod, read: (container: corev1.Container) => Record<string, string | number>): Record<string, number> {
  const total: Record<string, number> = {};
  for (const container of pod.spec?.containers ?? []) add(total, amounts(read(container)));
  const sidecars: Record<string, number> = {};
  const peak: Record<string, number> = {};
  for (const container of pod.spec?.initContainers ?? []) {
    const own = amounts(read(container));
    if (isRestartableInit(container)) {
      add(sidecars, own);
      raise(peak, sidecars);
    } else raise(peak, sum(own, sidecars));
  }
  add(total, sidecars);
  raise(total, peak);
  add(total, amounts(pod.spec?.overhead ?? {}));
  return total;
}

function amounts(list: Readonly<Record<string, string | number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(list).map(([name, quantity]) => [name, wholeUnitsOf(name, quantity)]));
}

function add(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, amount] of Object.entries(from)) into[name] = (into[name] ?? 0) + amount;
}

function sum(left: Readonly<Record<string, number>>, right: Readonly<Record<string, number>>): Record<string, number> {
  const result = { ...left };
  add(result, right);
  return result;
}

function raise(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, amount] of Object.entries(from)) into[name] = Math.max(into[name] ?? 0, amount);
}
