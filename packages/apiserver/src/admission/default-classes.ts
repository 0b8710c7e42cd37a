// Claims and ingresses that name no class get the cluster's default one.
// Source: plugin/pkg/admission/storage/storageclass/setdefault, plugin/pkg/admission/network/defaultingressclass.
import type { corev1, networkingv1 } from "@lenj/proto/k8s";
import type { KubeObject } from "../auth/ports.js";
import type { AdmissionDependencies, AdmissionPlugin } from "./ports.js";

export function defaultStorageClass({ reader }: AdmissionDependencies): AdmissionPlugin {
  return {
    name: "DefaultStorageClass",
    handles: (operation) => operation === "CREATE",
    admit: ({ resource, subresource, object }) => {
      if (resource.group !== "" || resource.resource !== "persistentvolumeclaims" || subresource !== "") return;
      const claim = object as KubeObject & corev1.PersistentVolumeClaim;
      if (
        claim.spec?.storageClassName !== undefined ||
        claim.metadata?.annotations?.["volume.beta.kubernetes.io/storage-class"] !== undefined
      )
        return;
      const name = newestDefault(
        reader.list({ group: "storage.k8s.io", resource: "storageclasses" }),
        "storageclass.kubernetes.io/is-default-class",
      );
      if (name !== undefined) claim.spec = { ...claim.spec, storageClassName: name };
    },
  };
}

export function defaultIngressClass({ reader }: AdmissionDependencies): AdmissionPlugin {
  return {
    name: "DefaultIngressClass",
    handles: (operation) => operation === "CREATE",
    admit: ({ resource, subresource, object }) => {
      if (resource.group !== "networking.k8s.io" || resource.resource !== "ingresses" || subresource !== "") return;
      const ingress = object as KubeObject & networkingv1.Ingress;
      if (ingress.spec?.ingressClassName !== undefined || ingress.metadata?.annotations?.["kubernetes.io/ingress.class"] !== undefined)
        return;
      const name = newestDefault(
        reader.list({ group: "networking.k8s.io", resource: "ingressclasses" }),
        "ingressclass.kubernetes.io/is-default-class",
      );
      if (name !== undefined) ingress.spec = { ...ingress.spec, ingressClassName: name };
    },
  };
}

function newestDefault(all: readonly KubeObject[], annotation: string): string | undefined {
  const marked = all.filter((candidate) => candidate.metadata?.annotations?.[annotation] === "true");
  return marked.sort((a, b) => ((a.metadata?.creationTimestamp ?? "") > (b.metadata?.creationTimestamp ?? "") ? -1 : 1))[0]?.metadata?.name;
}
