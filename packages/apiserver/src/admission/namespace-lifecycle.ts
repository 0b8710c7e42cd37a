// Nothing is made in a namespace that does not exist or is on its way out, and the system's namespaces stay.
// Source: k8s.io/apiserver pkg/admission/plugin/namespace/lifecycle.
import { newForbidden, newNotFound, StatusError } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import type { KubeObject } from "../auth/ports.js";
import type { AdmissionDependencies, AdmissionPlugin } from "./ports.js";

type Namespace = KubeObject & corev1.Namespace;
const immortal: ReadonlySet<string> = new Set(["default", "kube-system", "kube-public"]);
const namespaces = { group: "", resource: "namespaces" };
/** Reviews are answered about namespaces that do not exist, too. */
const reviewGroups: ReadonlySet<string> = new Set(["authorization.k8s.io", "authentication.k8s.io"]);

export function namespaceLifecycle({ reader }: AdmissionDependencies): AdmissionPlugin {
  return {
    name: "NamespaceLifecycle",
    handles: () => true,
    admit: async ({ operation, resource, namespace, name, signal }) => {
      const isNamespace = resource.group === "" && resource.resource === "namespaces";
      if (operation === "DELETE" && isNamespace && immortal.has(name))
        throw newForbidden(namespaces, name, "this namespace may not be deleted");
      if (isNamespace || namespace === "" || reviewGroups.has(resource.group) || operation === "CONNECT") return;
      // Deleting and updating what is left is how a namespace gets empty.
      if (operation !== "CREATE") return;
      const found =
        reader.get<Namespace>(namespaces, undefined, namespace) ??
        (await reader.getFresh<Namespace>(namespaces, undefined, namespace, signal));
      if (found === undefined) throw newNotFound(namespaces, namespace);
      if (found.status?.phase !== "Terminating" && found.metadata?.deletionTimestamp === undefined) return;
      const refusal = newForbidden(resource, name, `unable to create new content in namespace ${namespace} because it is being terminated`);
      throw withCause(refusal, {
        reason: "NamespaceTerminating",
        message: `namespace ${namespace} is being terminated`,
        field: "metadata.namespace",
      });
    },
  };
}

function withCause(error: StatusError, cause: { reason: string; message: string; field: string }): StatusError {
  const { status } = error;
  return new StatusError({ ...status, details: { ...status.details, causes: [cause] } } as typeof status);
}
