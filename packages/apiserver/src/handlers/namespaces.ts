// How namespaces end: marked as terminating, emptied by their controller, gone when spec.finalizers and metadata.finalizers are.
// Source: pkg/registry/core/namespace/storage/storage.go.
import { beforeDelete, isReadyForRemoval, type ResourceDeclaration } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import type { ResourceExtension } from "./extension.js";

/** Stands for "content remains" while the usual steps of a deletion run; never stored. */
const contentRemains = "lenj.dev/content-remains";

export function createNamespaceExtension(declaration: ResourceDeclaration): ResourceExtension {
  return {
    beforeDelete(object, options, context) {
      const namespace = object as corev1.Namespace;
      const hasContent = (namespace.spec?.finalizers ?? []).length > 0;
      if (hasContent) (namespace.metadata ??= {}).finalizers = [...(namespace.metadata.finalizers ?? []), contentRemains];
      const outcome = beforeDelete(declaration, object, options, context);
      const remaining = (namespace.metadata?.finalizers ?? []).filter((finalizer) => finalizer !== contentRemains);
      if (namespace.metadata !== undefined) {
        if (remaining.length === 0) delete namespace.metadata.finalizers;
        else namespace.metadata.finalizers = remaining;
      }
      namespace.status = { ...namespace.status, phase: "Terminating" };
      return outcome;
    },
    isReadyForRemoval: (object) => isReadyForRemoval(object) && ((object as corev1.Namespace).spec?.finalizers ?? []).length === 0,
  };
}
