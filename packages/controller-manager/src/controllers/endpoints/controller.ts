// Endpoints controller: keeps the Endpoints object of every Service with a selector.
import { compileLabelMap } from "@lenj/apimachinery";
import { isAlreadyExists, isNamespaceTerminating, isNotFound, objectName, parseObjectName, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { isSameJSON } from "../../core/canonical-json.js";
import { makeLoop } from "../../drivers/make-loop.js";
import { planEndpoints } from "./plan.js";

/** Changes of many pods of one Service are taken together. */
const BATCH_MS = 50;

export function createEndpointsController(context: ControllerContext): Controller {
  const { client } = context;
  const services = context.informers.informer<corev1.Service>(resources.services);
  const pods = context.informers.informer<corev1.Pod>(resources.pods);
  const endpoints = context.informers.informer<corev1.Endpoints>(resources.endpoints);
  const loop = makeLoop(context, {
    name: "endpoint",
    workers: 2,
    caches: [services, pods, endpoints],
    reconcile: async (key, signal) => {
      const service = services.lister.getByKey(key);
      const { namespace = "", name } = parseObjectName(key);
      const existing = endpoints.lister.getByKey(key);
      if (service === undefined) {
        if (existing?.metadata?.labels?.["endpoints.kubernetes.io/managed-by"] === undefined) return;
        await client.delete(resources.endpoints, { namespace, name }, { signal }).catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
        return;
      }
      if (Object.keys(service.spec?.selector ?? {}).length === 0) return;
      const selector = compileLabelMap(service.spec?.selector as Readonly<Record<string, string>>);
      const wanted = planEndpoints(
        service,
        pods.lister.list(namespace).filter((pod) => selector.matches(pod.metadata?.labels ?? {})),
      );
      if (existing === undefined) {
        await client.create(resources.endpoints, wanted, { signal }).catch((error: unknown) => {
          if (!isNamespaceTerminating(error) && !isAlreadyExists(error)) throw error;
        });
        return;
      }
      if (isSameJSON(existing.subsets ?? [], wanted.subsets ?? []) && isSameJSON(existing.metadata?.labels, wanted.metadata?.labels))
        return;
      await client.update(
        resources.endpoints,
        { ...existing, metadata: { ...existing.metadata, ...wanted.metadata }, subsets: wanted.subsets ?? [] },
        { signal },
      );
    },
  });
  const enqueueServicesOf = (pod: corev1.Pod): void => {
    for (const service of services.lister.list(pod.metadata?.namespace)) {
      const selector = service.spec?.selector ?? {};
      const matches =
        Object.keys(selector).length > 0 && Object.entries(selector).every(([label, value]) => pod.metadata?.labels?.[label] === value);
      if (matches) loop.queue.addAfter(objectName(service), BATCH_MS);
    }
  };
  pods.addHandler({
    onAdd: enqueueServicesOf,
    onUpdate: (before, pod) => {
      enqueueServicesOf(pod);
      if (!isSameJSON(before.metadata?.labels, pod.metadata?.labels)) enqueueServicesOf(before);
    },
    onDelete: enqueueServicesOf,
  });
  const enqueue = (object: corev1.Service | corev1.Endpoints): void => loop.queue.add(objectName(object));
  services.addHandler({ onAdd: enqueue, onUpdate: (_, service) => enqueue(service), onDelete: enqueue });
  endpoints.addHandler({ onUpdate: (_, object) => enqueue(object), onDelete: enqueue });
  return loop;
}
