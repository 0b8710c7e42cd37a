// ServiceAccount controller: every active namespace has a ServiceAccount "default".
// Source: pkg/controller/serviceaccount/serviceaccounts_controller.go.
import { isAlreadyExists, isNamespaceTerminating, isNotFound, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { makeLoop } from "../../drivers/make-loop.js";

const NAME = "default";

export function createServiceAccountController(context: ControllerContext): Controller {
  const namespaces = context.informers.informer<corev1.Namespace>(resources.namespaces);
  const accounts = context.informers.informer<corev1.ServiceAccount>(resources.serviceAccounts);
  const loop = makeLoop(context, {
    name: "serviceaccount",
    caches: [namespaces, accounts],
    reconcile: async (name, signal) => {
      const namespace = namespaces.lister.getByKey(name);
      if (namespace === undefined || namespace.status?.phase === "Terminating" || namespace.metadata?.deletionTimestamp !== undefined)
        return;
      if (accounts.lister.get(name, NAME) !== undefined) return;
      const account: corev1.ServiceAccount = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: NAME, namespace: name } };
      await context.client.create(resources.serviceAccounts, account, { signal }).catch((error: unknown) => {
        if (!isAlreadyExists(error) && !isNamespaceTerminating(error) && !isNotFound(error)) throw error;
      });
    },
  });
  namespaces.addHandler({
    onAdd: (namespace) => loop.queue.add(namespace.metadata?.name ?? ""),
    onUpdate: (_, namespace) => loop.queue.add(namespace.metadata?.name ?? ""),
  });
  accounts.addHandler({ onDelete: (account) => loop.queue.add(account.metadata?.namespace ?? "") });
  return loop;
}
