// What a node may do: the rules of the role system:node, narrowed to the node itself and to what its pods refer to.
// Source: plugin/pkg/auth/authorizer/node; an index of pods by node takes the place of upstream's graph.
import type { corev1, rbacv1 } from "@lenj/proto/k8s";
import { clusterRoles } from "./bootstrap-policy.js";
import type { AuthorizationResult, Authorizer, AuthorizerAttributes, KubeObject, ObjectReader, UserInfo } from "./ports.js";
import { allows } from "./rbac-authorizer.js";

type Pod = KubeObject & corev1.Pod;
const userPrefix = "system:node:";
const noOpinion = (reason: string): AuthorizationResult => ({ decision: "noOpinion", reason });
const allow: AuthorizationResult = { decision: "allow", reason: "" };

/** The node behind a user; undefined for everybody else. */
export function nodeOf(user: UserInfo): string | undefined {
  return user.username.startsWith(userPrefix) && user.groups.includes("system:nodes") ? user.username.slice(userPrefix.length) : undefined;
}

export class NodeAuthorizer implements Authorizer {
  readonly #podsByNode = new Map<string, Map<string, Pod>>();
  readonly #rules: readonly rbacv1.PolicyRule[] = clusterRoles.find((role) => role.name === "system:node")?.rules ?? [];
  readonly #stop: () => void;

  constructor(reader: ObjectReader) {
    this.#stop = reader.observe<Pod>({ group: "", resource: "pods" }, (before, after) => {
      const key = `${(after ?? before)?.metadata?.namespace}/${(after ?? before)?.metadata?.name}`;
      const node = after?.spec?.nodeName;
      if (before?.spec?.nodeName !== undefined && before.spec.nodeName !== node) this.#podsByNode.get(before.spec.nodeName)?.delete(key);
      if (node === undefined || node === "") return;
      const pods = this.#podsByNode.get(node) ?? new Map<string, Pod>();
      pods.set(key, after as Pod);
      this.#podsByNode.set(node, pods);
    });
  }

  close(): void {
    this.#stop();
  }

  authorize(attributes: AuthorizerAttributes): AuthorizationResult {
    const node = nodeOf(attributes.user);
    if (node === undefined) return noOpinion("");
    const { resource, apiGroup, verb, name, subresource } = attributes;
    if (apiGroup === "" && (resource === "secrets" || resource === "configmaps" || resource === "persistentvolumeclaims")) {
      if (resource === "persistentvolumeclaims" && subresource === "status" && (verb === "update" || verb === "patch")) return allow;
      // Lists and watches of a single object name it by a field selector.
      if (!["get", "list", "watch"].includes(verb)) return noOpinion(`no relationship found between node '${node}' and this object`);
      return name !== "" && this.#isReferenced(node, attributes)
        ? allow
        : noOpinion(`no relationship found between node '${node}' and this object`);
    }
    if (apiGroup === "" && resource === "serviceaccounts" && subresource === "token") {
      const uses = this.#pods(node, attributes.namespace).some((pod) => (pod.spec?.serviceAccountName ?? "default") === name);
      return verb === "create" && uses ? allow : noOpinion(`no relationship found between node '${node}' and this object`);
    }
    if (apiGroup === "coordination.k8s.io" && resource === "leases") {
      if (attributes.namespace !== "kube-node-lease" || (verb !== "create" && name !== node))
        return noOpinion("can only access node lease with the same name as the requesting node");
      return ["get", "create", "update", "patch", "delete"].includes(verb)
        ? allow
        : noOpinion("can only get, create, update, patch, or delete a node lease");
    }
    return this.#rules.some((rule) => allows(rule, attributes)) ? allow : noOpinion("");
  }

  #pods(node: string, namespace: string): Pod[] {
    return [...(this.#podsByNode.get(node)?.values() ?? [])].filter((pod) => pod.metadata?.namespace === namespace);
  }

  #isReferenced(node: string, { resource, namespace, name }: AuthorizerAttributes): boolean {
    return this.#pods(node, namespace).some((pod) => referencesOf(pod, resource).has(name));
  }
}

/** Names of the secrets, config maps or claims that a pod mounts or reads. */
export function referencesOf(pod: corev1.Pod, resource: string): ReadonlySet<string> {
  const names = new Set<string>();
  const add = (name: string | undefined): void => {
    if (name !== undefined && name !== "") names.add(name);
  };
  const { spec } = pod;
  if (resource === "secrets") for (const reference of spec?.imagePullSecrets ?? []) add(reference.name);
  for (const container of [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])]) {
    for (const source of container.envFrom ?? [])
      add(resource === "secrets" ? source.secretRef?.name : resource === "configmaps" ? source.configMapRef?.name : undefined);
    for (const variable of container.env ?? []) {
      add(
        resource === "secrets"
          ? variable.valueFrom?.secretKeyRef?.name
          : resource === "configmaps"
            ? variable.valueFrom?.configMapKeyRef?.name
            : undefined,
      );
    }
  }
  for (const volume of spec?.volumes ?? []) {
    if (resource === "persistentvolumeclaims")
      add(volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral === undefined ? undefined : `${pod.metadata?.name}-${volume.name}`));
    else add(resource === "secrets" ? volume.secret?.secretName : volume.configMap?.name);
    for (const source of volume.projected?.sources ?? [])
      add(resource === "secrets" ? source.secret?.name : resource === "configmaps" ? source.configMap?.name : undefined);
  }
  return names;
}
