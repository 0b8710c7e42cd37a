// What a pod asks of a node, in whole numbers: CPU in millicores, everything else in its base unit.
// Upstream: component-helpers resource.PodRequests; non-zero defaults of the scheduler's util package.
import { Quantity } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

export interface ResourceAmounts {
  readonly milliCPU: number;
  readonly memoryBytes: number;
  readonly ephemeralBytes: number;
  /** Extended resources and huge pages, by name. */
  readonly scalars: ReadonlyMap<string, number>;
}

export const noResources: ResourceAmounts = { milliCPU: 0, memoryBytes: 0, ephemeralBytes: 0, scalars: new Map() };

/** Scored as if they asked for this, containers that ask for nothing do not all pile up on one node. */
const defaultMilliCPU = 100;
const defaultMemoryBytes = 200 * 1024 * 1024;

type ResourceList = Readonly<Record<string, string | number>>;

export function parseResources(list: ResourceList | undefined): ResourceAmounts {
  if (list === undefined) return noResources;
  const scalars = new Map<string, number>();
  let [milliCPU, memoryBytes, ephemeralBytes] = [0, 0, 0];
  for (const [name, text] of Object.entries(list)) {
    const quantity = Quantity.parse(String(text));
    if (name === "cpu") milliCPU = Number(quantity.multiply(1_000).value());
    else if (name === "memory") memoryBytes = Number(quantity.value());
    else if (name === "ephemeral-storage") ephemeralBytes = Number(quantity.value());
    else if (name !== "pods") scalars.set(name, Number(quantity.value()));
  }
  return { milliCPU, memoryBytes, ephemeralBytes, scalars };
}

export function addResources(a: ResourceAmounts, b: ResourceAmounts, sign: 1 | -1 = 1): ResourceAmounts {
  return combine(a, b, (left, right) => left + sign * right);
}

function maxResources(a: ResourceAmounts, b: ResourceAmounts): ResourceAmounts {
  return combine(a, b, Math.max);
}

function combine(a: ResourceAmounts, b: ResourceAmounts, merge: (left: number, right: number) => number): ResourceAmounts {
  const names = a.scalars.size + b.scalars.size === 0 ? [] : [...new Set([...a.scalars.keys(), ...b.scalars.keys()])];
  return {
    milliCPU: merge(a.milliCPU, b.milliCPU),
    memoryBytes: merge(a.memoryBytes, b.memoryBytes),
    ephemeralBytes: merge(a.ephemeralBytes, b.ephemeralBytes),
    scalars: new Map(names.map((name) => [name, merge(a.scalars.get(name) ?? 0, b.scalars.get(name) ?? 0)])),
  };
}

export interface PodRequests {
  readonly actual: ResourceAmounts;
  /** With a default for containers that ask for no CPU or memory; used in scores only. */
  readonly scored: { readonly milliCPU: number; readonly memoryBytes: number };
}

/**
 * The larger of what all containers need together and what the start needs at its worst: each init container beside the
 * sidecars started before it. Overhead comes on top.
 */
export function podRequests(pod: corev1.Pod): PodRequests {
  const actual = sumRequests(pod, (container) => parseResources(container.resources?.requests));
  const scored = sumRequests(pod, (container) => {
    const requests = container.resources?.requests;
    const amounts = parseResources(requests);
    return {
      ...amounts,
      milliCPU: requests?.["cpu"] === undefined ? defaultMilliCPU : amounts.milliCPU,
      memoryBytes: requests?.["memory"] === undefined ? defaultMemoryBytes : amounts.memoryBytes,
    };
  });
  return { actual, scored: { milliCPU: scored.milliCPU, memoryBytes: scored.memoryBytes } };
}

function sumRequests(pod: corev1.Pod, requestsOf: (container: corev1.Container) => ResourceAmounts): ResourceAmounts {
  let total = noResources;
  for (const container of pod.spec?.containers ?? []) total = addResources(total, requestsOf(container));
  let sidecars = noResources;
  let worstStart = noResources;
  for (const container of pod.spec?.initContainers ?? []) {
    const requests = requestsOf(container);
    if (container.restartPolicy === "Always") {
      sidecars = addResources(sidecars, requests);
      worstStart = maxResources(worstStart, sidecars);
    } else worstStart = maxResources(worstStart, addResources(sidecars, requests));
  }
  return addResources(maxResources(addResources(total, sidecars), worstStart), parseResources(pod.spec?.overhead));
}
