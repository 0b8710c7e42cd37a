// Fills in what a namespace's limit ranges say by default, and refuses what is beyond their bounds.
// Source: plugin/pkg/admission/limitranger.
import { newForbidden, Quantity } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import type { KubeObject } from "../auth/ports.js";
import type { AdmissionDependencies, AdmissionPlugin } from "./ports.js";

type LimitRange = KubeObject & corev1.LimitRange;
const pods = { group: "", resource: "pods" };

export function limitRanger({ reader }: AdmissionDependencies): AdmissionPlugin {
  const items = (namespace: string): corev1.LimitRangeItem[] =>
    reader.list<LimitRange>({ group: "", resource: "limitranges" }, namespace).flatMap((range) => range.spec?.limits ?? []);
  const isPod = (resource: { group: string; resource: string }, subresource: string): boolean =>
    resource.group === "" && resource.resource === "pods" && subresource === "";
  return {
    name: "LimitRanger",
    handles: (operation) => operation === "CREATE",
    admit: ({ resource, subresource, object, namespace }) => {
      if (!isPod(resource, subresource)) return;
      for (const item of items(namespace))
        if (item.type === "Container") for (const container of containersOf(object as KubeObject & corev1.Pod)) fillIn(container, item);
    },
    validate: ({ resource, subresource, object, namespace }) => {
      if (!isPod(resource, subresource)) return;
      const pod = object as KubeObject & corev1.Pod;
      const problems = items(namespace).flatMap((item) =>
        item.type === "Container" ? containersOf(pod).flatMap((container) => violations(container.resources, item)) : [],
      );
      if (problems.length > 0)
        throw newForbidden(pods, pod.metadata?.name ?? "", problems.length === 1 ? (problems[0] as string) : `[${problems.join(", ")}]`);
    },
  };
}

function containersOf(pod: corev1.Pod): corev1.Container[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
}

function fillIn(container: corev1.Container, item: corev1.LimitRangeItem): void {
  const own = container.resources ?? {};
  const limits = { ...item.default, ...own.limits };
  // A limit that the container set itself is also its request, before the range's default is.
  const requests = { ...item.defaultRequest, ...own.limits, ...own.requests };
  container.resources = {
    ...own,
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(Object.keys(requests).length === 0 ? {} : { requests }),
  };
}

function violations(resources: corev1.ResourceRequirements | undefined, item: corev1.LimitRangeItem): string[] {
  const problems: string[] = [];
  for (const [name, bound] of Object.entries(item.min ?? {})) {
    const request = resources?.requests?.[name];
    if (request === undefined) problems.push(`minimum ${name} usage per Container is ${bound}.  No request is specified`);
    else if (Quantity.parse(String(request)).compare(Quantity.parse(String(bound))) < 0)
      problems.push(`minimum ${name} usage per Container is ${bound}, but request is ${request}`);
  }
  for (const [name, bound] of Object.entries(item.max ?? {})) {
    const limit = resources?.limits?.[name];
    if (limit === undefined) problems.push(`maximum ${name} usage per Container is ${bound}.  No limit is specified`);
    else if (Quantity.parse(String(limit)).compare(Quantity.parse(String(bound))) > 0)
      problems.push(`maximum ${name} usage per Container is ${bound}, but limit is ${limit}`);
  }
  return problems;
}
