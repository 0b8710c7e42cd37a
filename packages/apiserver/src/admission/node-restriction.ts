// Keeps a node to itself: its own Node object, and the pods that are bound to it.
// Source: plugin/pkg/admission/noderestriction.
import { newForbidden } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { nodeOf, referencesOf } from "../auth/node-authorizer.js";
import type { KubeObject } from "../auth/ports.js";
import type { AdmissionDependencies, AdmissionPlugin } from "./ports.js";

type Pod = KubeObject & corev1.Pod;

export function nodeRestriction({ reader }: AdmissionDependencies): AdmissionPlugin {
  return {
    name: "NodeRestriction",
    handles: (operation) => operation !== "CONNECT",
    admit: ({ user, operation, resource, subresource, object, oldObject, namespace, name }) => {
      const node = nodeOf(user);
      if (node === undefined || resource.group !== "") return;
      const refuse = (text: string): never => {
        throw newForbidden(resource, name, text);
      };
      if (resource.resource === "nodes") {
        const target = name === "" ? object?.metadata?.name : name;
        if (target !== node) refuse(`node "${node}" is not allowed to modify node "${target}"`);
        const isTaintChange =
          operation === "UPDATE" &&
          JSON.stringify((object as corev1.Node).spec?.taints ?? []) !== JSON.stringify((oldObject as corev1.Node).spec?.taints ?? []);
        if (isTaintChange) refuse(`node "${node}" is not allowed to modify taints`);
      }
      if (resource.resource !== "pods") return;
      if (operation === "CREATE" && subresource === "") {
        const pod = object as Pod;
        if (pod.metadata?.annotations?.["kubernetes.io/config.mirror"] === undefined)
          refuse(`pod does not have "kubernetes.io/config.mirror" annotation, node "${node}" can only create mirror pods`);
        // A reference would make the node a reader of what it names.
        if (pod.spec?.serviceAccountName) refuse(`node "${node}" can not create pods that reference a service account`);
        for (const kind of ["secrets", "configmaps", "persistentvolumeclaims"])
          if (referencesOf(pod, kind).size > 0) refuse(`node "${node}" can not create pods that reference ${kind}`);
        if (pod.spec?.nodeName !== node) refuse(`node "${node}" can only create pods with spec.nodeName set to itself`);
        return;
      }
      const pod = reader.get<Pod>({ group: "", resource: "pods" }, namespace, name);
      if (pod !== undefined && pod.spec?.nodeName !== node)
        refuse(
          `node "${node}" can only ${operation === "DELETE" ? "delete" : "update pod status for"} pods with spec.nodeName set to itself`,
        );
    },
  };
}
