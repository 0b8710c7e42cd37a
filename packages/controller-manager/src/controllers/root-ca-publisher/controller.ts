// Root CA publisher: every namespace has a ConfigMap kube-root-ca.crt with the certificate that the api-server is verified by.
// Source: pkg/controller/certificates/rootcacertpublisher.
import { isAlreadyExists, isNamespaceTerminating, isNotFound, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { isSameJSON } from "../../core/canonical-json.js";
import { makeLoop } from "../../drivers/make-loop.js";

const NAME = "kube-root-ca.crt";
const annotations = {
  "kubernetes.io/description":
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. " +
    "No other usage is guaranteed across distributions of Kubernetes clusters.",
};

export function createRootCAPublisher(context: ControllerContext): Controller {
  const namespaces = context.informers.informer<corev1.Namespace>(resources.namespaces);
  const configMaps = context.informers.informer<corev1.ConfigMap>(resources.configMaps, { fieldSelector: `metadata.name=${NAME}` });
  const data = { "ca.crt": context.config.rootCA };
  const loop = makeLoop(context, {
    name: "root-ca-cert-publisher",
    caches: [namespaces, configMaps],
    reconcile: async (name, signal) => {
      const namespace = namespaces.lister.getByKey(name);
      if (namespace === undefined || namespace.status?.phase === "Terminating" || namespace.metadata?.deletionTimestamp !== undefined)
        return;
      const current = configMaps.lister.get(name, NAME);
      if (current === undefined) {
        const made: corev1.ConfigMap = {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: NAME, namespace: name, annotations },
          data,
        };
        await context.client.create(resources.configMaps, made, { signal }).catch((error: unknown) => {
          if (!isAlreadyExists(error) && !isNamespaceTerminating(error) && !isNotFound(error)) throw error;
        });
      } else if (!isSameJSON(current.data, data)) {
        await context.client.update(
          resources.configMaps,
          { ...current, data, metadata: { ...current.metadata, annotations: { ...current.metadata?.annotations, ...annotations } } },
          { signal },
        );
      }
    },
  });
  namespaces.addHandler({
    onAdd: (namespace) => loop.queue.add(namespace.metadata?.name ?? ""),
    onUpdate: (_, namespace) => loop.queue.add(namespace.metadata?.name ?? ""),
  });
  configMaps.addHandler({
    onUpdate: (_, configMap) => loop.queue.add(configMap.metadata?.namespace ?? ""),
    onDelete: (configMap) => loop.queue.add(configMap.metadata?.namespace ?? ""),
  });
  return loop;
}
