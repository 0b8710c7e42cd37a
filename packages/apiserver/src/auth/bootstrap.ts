// Objects that exist in every cluster: system namespaces, roles and bindings, priority classes. Made, and mended, at each start.
//
// P1. What a hook finds it extends by what is missing and takes nothing away, unless the object opted out of it.
// Upstream: rbac/bootstrap-roles and scheduling/bootstrap-system-priority-classes post-start hooks, system namespaces controller.
import { isStatusError } from "@lenj/apimachinery";
import type { rbacv1, schedulingv1 } from "@lenj/proto/k8s";
import { type BootstrapBinding, type BootstrapRole, clusterRoleBindings, clusterRoles, roleBindings, roles } from "./bootstrap-policy.js";
import type { GroupResource, KubeObject, ObjectReader, ObjectWriter, PostStartHook } from "./ports.js";

const rbacGroup = "rbac.authorization.k8s.io";
const autoupdate = "rbac.authorization.kubernetes.io/autoupdate";
const common = { labels: { "kubernetes.io/bootstrapping": "rbac-defaults" }, annotations: { [autoupdate]: "true" } };
const systemNamespaces = ["kube-system", "kube-public", "kube-node-lease", "default"];

interface Tools {
  readonly reader: ObjectReader;
  readonly writer: ObjectWriter;
}

export const namespacesHook: PostStartHook = {
  name: "start-system-namespaces-controller",
  run: async (tools) => {
    for (const name of systemNamespaces)
      await ensure(tools, { group: "", resource: "namespaces" }, undefined, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  },
};

export const priorityClassesHook: PostStartHook = {
  name: "scheduling/bootstrap-system-priority-classes",
  run: async (tools) => {
    const classes = [
      {
        name: "system-node-critical",
        value: 2_000_001_000,
        description: "Used for system critical pods that must not be moved from their current node.",
      },
      {
        name: "system-cluster-critical",
        value: 2_000_000_000,
        description: "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
      },
    ];
    for (const { name, ...rest } of classes) {
      const object: schedulingv1.PriorityClass = { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name }, ...rest };
      await ensure(tools, { group: "scheduling.k8s.io", resource: "priorityclasses" }, undefined, object as KubeObject);
    }
  },
};

export const rolesHook: PostStartHook = {
  name: "rbac/bootstrap-roles",
  run: async (tools) => {
    for (const role of clusterRoles) await ensureRole(tools, "clusterroles", "ClusterRole", role);
    for (const binding of clusterRoleBindings) await ensureBinding(tools, "clusterrolebindings", "ClusterRoleBinding", binding);
    for (const role of roles) await ensureRole(tools, "roles", "Role", role);
    for (const binding of roleBindings) await ensureBinding(tools, "rolebindings", "RoleBinding", binding);
  },
};

async function ensureRole(tools: Tools, resource: string, kind: string, role: BootstrapRole): Promise<void> {
  const object = {
    ...shell(kind, role),
    rules: role.rules ?? [],
    ...(role.aggregationRule === undefined ? {} : { aggregationRule: role.aggregationRule }),
  } as rbacv1.ClusterRole;
  await ensure(tools, { group: rbacGroup, resource }, role.namespace, object as KubeObject, (found) => {
    const present = (found as rbacv1.ClusterRole).rules ?? [];
    const known = new Set(present.map((rule) => JSON.stringify(rule)));
    const missing = (object.rules ?? []).filter((rule) => !known.has(JSON.stringify(rule)));
    // An aggregated role's rules are its parts' business.
    return missing.length === 0 || object.aggregationRule !== undefined
      ? undefined
      : ({ ...found, rules: [...present, ...missing] } as KubeObject);
  });
}

async function ensureBinding(tools: Tools, resource: string, kind: string, binding: BootstrapBinding): Promise<void> {
  const object = { ...shell(kind, binding), roleRef: binding.roleRef, subjects: binding.subjects ?? [] } as rbacv1.ClusterRoleBinding;
  await ensure(tools, { group: rbacGroup, resource }, binding.namespace, object as KubeObject, (found) => {
    const present = (found as rbacv1.ClusterRoleBinding).subjects ?? [];
    const key = (subject: rbacv1.Subject): string => [subject.kind, subject.name, subject.namespace].join("/");
    const known = new Set(present.map(key));
    const missing = (object.subjects ?? []).filter((subject) => !known.has(key(subject)));
    return missing.length === 0 ? undefined : ({ ...found, subjects: [...present, ...missing] } as KubeObject);
  });
}

function shell(
  kind: string,
  { name, namespace, labels }: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> },
): KubeObject {
  return {
    apiVersion: `${rbacGroup}/v1`,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...common.labels, ...labels },
      annotations: { ...common.annotations },
    },
  };
}

async function ensure(
  { reader, writer }: Tools,
  resource: GroupResource,
  namespace: string | undefined,
  object: KubeObject,
  extend?: (found: KubeObject) => KubeObject | undefined,
): Promise<void> {
  const found = reader.get(resource, namespace, object.metadata?.name ?? "");
  try {
    if (found === undefined) await writer.create(resource, namespace, object);
    else if (found.metadata?.annotations?.[autoupdate] !== "false") {
      const extended = extend?.(found);
      if (extended !== undefined) await writer.update(resource, namespace, extended);
    }
  } catch (error) {
    // Another api-server was faster.
    if (!isStatusError(error, "AlreadyExists") && !isStatusError(error, "Conflict")) throw error;
  }
}
