// Nobody hands out rights through roles and bindings that they do not have themselves.
// Source: pkg/registry/rbac (policybased storage, escalation_check.go); upstream checks in the storage of the four kinds.
import { newForbidden } from "@lenj/apimachinery";
import type { rbacv1 } from "@lenj/proto/k8s";
import type { AuthorizerAttributes, KubeObject, UserInfo } from "../auth/ports.js";
import { allows, RBACAuthorizer } from "../auth/rbac-authorizer.js";
import type { AdmissionDependencies, AdmissionPlugin } from "./ports.js";

const group = "rbac.authorization.k8s.io";

export function rbacEscalation({ reader }: AdmissionDependencies): AdmissionPlugin & { close(): void } {
  const authorizer = new RBACAuthorizer(reader);
  const mayAnyway = (user: UserInfo, verb: string, resource: string, namespace: string, name: string): boolean =>
    authorizer.authorize({
      user,
      verb,
      isResourceRequest: true,
      apiGroup: group,
      apiVersion: "v1",
      resource,
      subresource: "",
      namespace,
      name,
      path: "",
    }).decision === "allow";
  return {
    name: "RBACEscalation",
    handles: (operation) => operation === "CREATE" || operation === "UPDATE",
    validate: ({ user, resource, subresource, object, oldObject, namespace, name }) => {
      if (resource.group !== group || subresource !== "" || user.groups.includes("system:masters")) return;
      const isRole = resource.resource === "roles" || resource.resource === "clusterroles";
      const role = object as KubeObject & rbacv1.ClusterRole;
      const binding = object as KubeObject & rbacv1.RoleBinding;
      const old = oldObject as (KubeObject & rbacv1.ClusterRole & rbacv1.RoleBinding) | undefined;
      // What grants nothing new needs no right.
      if (
        isRole &&
        JSON.stringify(old?.rules) === JSON.stringify(role.rules) &&
        JSON.stringify(old?.aggregationRule) === JSON.stringify(role.aggregationRule)
      )
        return;
      if (
        !isRole &&
        old !== undefined &&
        JSON.stringify([old.roleRef, old.subjects]) === JSON.stringify([binding.roleRef, binding.subjects])
      )
        return;
      const target = isRole ? resource.resource : binding.roleRef?.kind === "Role" ? "roles" : "clusterroles";
      if (mayAnyway(user, isRole ? "escalate" : "bind", target, namespace, isRole ? name : (binding.roleRef?.name ?? ""))) return;
      // An aggregated role may come to hold anything.
      const everything: rbacv1.PolicyRule = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
      const granted = isRole
        ? [...(role.rules ?? []), ...(role.aggregationRule === undefined ? [] : [everything])]
        : authorizer.rulesOfRole(binding.roleRef, namespace);
      const held = authorizer.rulesOf(user, namespace);
      const missing = granted.filter((rule) => !isCovered(rule, held, user));
      if (missing.length === 0) return;
      const groups = user.groups.map((member) => JSON.stringify(member)).join(" ");
      throw newForbidden(
        resource,
        name,
        `user ${JSON.stringify(user.username)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${missing.map(describeRule).join("\n")}`,
      );
    },
    close: () => authorizer.close(),
  };
}

/** Every single right of a rule must be in some rule that is held; "*" is covered by "*" alone. */
function isCovered(rule: rbacv1.PolicyRule, held: readonly rbacv1.PolicyRule[], user: UserInfo): boolean {
  const some = (attributes: Partial<AuthorizerAttributes>): boolean =>
    held.some((own) =>
      allows(own, {
        user,
        verb: "",
        isResourceRequest: true,
        apiGroup: "",
        apiVersion: "",
        resource: "",
        subresource: "",
        namespace: "",
        name: "",
        path: "",
        ...attributes,
      }),
    );
  const names = (rule.resourceNames ?? []).length > 0 ? (rule.resourceNames ?? []) : [""];
  return (rule.verbs ?? []).every(
    (verb) =>
      (rule.nonResourceURLs ?? []).every((path) => some({ verb, isResourceRequest: false, path })) &&
      (rule.apiGroups ?? []).every((apiGroup) =>
        (rule.resources ?? []).every((full) => {
          const slash = full.indexOf("/");
          const [resource, subresource] = slash === -1 ? [full, ""] : [full.slice(0, slash), full.slice(slash + 1)];
          return names.every((name) => some({ verb, apiGroup, resource, subresource, name }));
        }),
      ),
  );
}

function describeRule(rule: rbacv1.PolicyRule): string {
  const list = (name: string, values: readonly string[] | undefined): string[] =>
    (values ?? []).length === 0 ? [] : [`${name}:${JSON.stringify(values)}`];
  return `{${[...list("APIGroups", rule.apiGroups), ...list("Resources", rule.resources), ...list("ResourceNames", rule.resourceNames), ...list("NonResourceURLs", rule.nonResourceURLs), ...list("Verbs", rule.verbs)].join(", ")}}`;
}
