// Role-based access control: who is bound to which rules, kept compiled from roles and bindings as they change.
//
// Owns:  the index from subjects to bindings.
// A1. Rules only ever allow; a request that none allows gets no opinion.
// A2. A binding to a role that does not exist grants nothing.
// A3. Aggregated cluster roles are computed here from their parts, so that they hold from the first moment.
// Source: plugin/pkg/auth/authorizer/rbac.
import { compileLabelSelector } from "@lenj/apimachinery";
import type { rbacv1 } from "@lenj/proto/k8s";
import type { AuthorizationResult, Authorizer, AuthorizerAttributes, KubeObject, ObjectReader, SubjectRules, UserInfo } from "./ports.js";

const group = "rbac.authorization.k8s.io";
type Binding = rbacv1.RoleBinding | rbacv1.ClusterRoleBinding;

export class RBACAuthorizer implements Authorizer {
  /** Bindings by namespace ("" for cluster-wide ones), then by name. */
  readonly #bindings = new Map<string, Map<string, Binding>>();
  readonly #stop: (() => void)[] = [];

  constructor(readonly reader: ObjectReader) {
    for (const resource of ["rolebindings", "clusterrolebindings"]) {
      this.#stop.push(
        reader.observe<KubeObject>({ group, resource }, (before, after) => {
          const { namespace = "", name = "" } = (after ?? before)?.metadata ?? {};
          if (after === undefined) this.#bindings.get(namespace)?.delete(name);
          else {
            const bindings = this.#bindings.get(namespace) ?? new Map<string, Binding>();
            bindings.set(name, after as Binding);
            this.#bindings.set(namespace, bindings);
          }
        }),
      );
    }
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  authorize(attributes: AuthorizerAttributes): AuthorizationResult {
    for (const { binding, subject, rules } of this.#grants(attributes.user, attributes.namespace)) {
      if (!rules.some((rule) => allows(rule, attributes))) continue;
      const kind = binding.metadata?.namespace === undefined ? "ClusterRoleBinding" : "RoleBinding";
      const name =
        binding.metadata?.namespace === undefined ? binding.metadata?.name : `${binding.metadata.name}/${binding.metadata.namespace}`;
      return {
        decision: "allow",
        reason: `RBAC: allowed by ${kind} "${name}" of ${binding.roleRef?.kind} "${binding.roleRef?.name}" to ${describeSubject(subject)}`,
      };
    }
    return { decision: "noOpinion", reason: "" };
  }

  rulesFor(user: UserInfo, namespace: string): SubjectRules {
    const rules = [...this.#grants(user, namespace)].flatMap((grant) => [...grant.rules]);
    const list = (values: readonly string[] | undefined): string[] => [...(values ?? [])];
    return {
      resourceRules: rules
        .filter((rule) => (rule.resources ?? []).length > 0)
        .map((rule) => ({
          verbs: list(rule.verbs),
          apiGroups: list(rule.apiGroups),
          resources: list(rule.resources),
          ...(rule.resourceNames === undefined ? {} : { resourceNames: list(rule.resourceNames) }),
        })),
      nonResourceRules: rules
        .filter((rule) => (rule.nonResourceURLs ?? []).length > 0)
        .map((rule) => ({ verbs: list(rule.verbs), nonResourceURLs: list(rule.nonResourceURLs) })),
      incomplete: false,
    };
  }

  /** Every rule a user has in a namespace ("": cluster-wide only). */
  rulesOf(user: UserInfo, namespace: string): rbacv1.PolicyRule[] {
    return [...this.#grants(user, namespace)].flatMap((grant) => [...grant.rules]);
  }

  /** The rules behind a reference; `namespace` is the binding's. */
  rulesOfRole(reference: rbacv1.RoleRef | undefined, namespace: string): readonly rbacv1.PolicyRule[] {
    if (reference === undefined) return [];
    if (reference.kind === "Role")
      return this.reader.get<KubeObject & rbacv1.Role>({ group, resource: "roles" }, namespace, reference.name ?? "")?.rules ?? [];
    const role = this.reader.get<KubeObject & rbacv1.ClusterRole>({ group, resource: "clusterroles" }, undefined, reference.name ?? "");
    return role === undefined ? [] : this.#clusterRoleRules(role);
  }

  /** `seen` ends cycles of roles that select each other. */
  #clusterRoleRules(role: rbacv1.ClusterRole, seen: ReadonlySet<string> = new Set()): readonly rbacv1.PolicyRule[] {
    const selectors = role.aggregationRule?.clusterRoleSelectors;
    if (selectors === undefined) return role.rules ?? [];
    const compiled = selectors.map((selector) => compileLabelSelector(selector as never));
    const visited = new Set([...seen, role.metadata?.name ?? ""]);
    const parts = this.reader.list<KubeObject & rbacv1.ClusterRole>({ group, resource: "clusterroles" });
    return parts
      .filter(
        (part) => !visited.has(part.metadata?.name ?? "") && compiled.some((selector) => selector.matches(part.metadata?.labels ?? {})),
      )
      .flatMap((part) => [...this.#clusterRoleRules(part, visited)]);
  }

  *#grants(
    user: UserInfo,
    namespace: string,
  ): Generator<{ binding: Binding; subject: rbacv1.Subject; rules: readonly rbacv1.PolicyRule[] }> {
    for (const scope of namespace === "" ? [""] : ["", namespace]) {
      for (const binding of this.#bindings.get(scope)?.values() ?? []) {
        const subject = (binding.subjects ?? []).find((candidate) => isSubject(candidate, user, scope));
        if (subject !== undefined) yield { binding, subject, rules: this.rulesOfRole(binding.roleRef, scope) };
      }
    }
  }
}

function isSubject(subject: rbacv1.Subject, user: UserInfo, bindingNamespace: string): boolean {
  switch (subject.kind) {
    case "User":
      return user.username === subject.name;
    case "Group":
      return user.groups.includes(subject.name ?? "");
    case "ServiceAccount":
      return user.username === `system:serviceaccount:${subject.namespace ?? bindingNamespace}:${subject.name}`;
    default:
      return false;
  }
}

function describeSubject(subject: rbacv1.Subject): string {
  return subject.kind === "ServiceAccount" ? `ServiceAccount "${subject.name}/${subject.namespace}"` : `${subject.kind} "${subject.name}"`;
}

/** Whether one rule covers a request. */
export function allows(rule: rbacv1.PolicyRule, attributes: AuthorizerAttributes): boolean {
  const has = (values: readonly string[] | undefined, value: string): boolean =>
    values?.includes("*") === true || values?.includes(value) === true;
  if (!has(rule.verbs, attributes.verb)) return false;
  if (!attributes.isResourceRequest)
    return (rule.nonResourceURLs ?? []).some(
      (url) => url === "*" || url === attributes.path || (url.endsWith("*") && attributes.path.startsWith(url.slice(0, -1))),
    );
  if (!has(rule.apiGroups, attributes.apiGroup)) return false;
  const resource = attributes.subresource === "" ? attributes.resource : `${attributes.resource}/${attributes.subresource}`;
  const coversResource =
    has(rule.resources, resource) || (attributes.subresource !== "" && rule.resources?.includes(`*/${attributes.subresource}`) === true);
  if (!coversResource) return false;
  return (rule.resourceNames ?? []).length === 0 || rule.resourceNames?.includes(attributes.name) === true;
}
