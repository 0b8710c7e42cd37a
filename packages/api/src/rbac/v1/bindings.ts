// Rules that both kinds of binding, and both kinds of role, share. Source: kubernetes pkg/apis/rbac.
import { type FieldError, FieldPath, invalid, notSupported, required, semanticEqual } from "@lenj/apimachinery";
import type { rbacv1 } from "@lenj/proto/k8s";
import { checkEach } from "../../validation/checks.js";

export const rbacGroup = "rbac.authorization.k8s.io";

type Binding = rbacv1.RoleBinding | rbacv1.ClusterRoleBinding;

export function setBindingDefaults({ roleRef, subjects }: Binding): void {
  if (roleRef !== undefined) roleRef.apiGroup ||= rbacGroup;
  for (const subject of subjects ?? []) if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= rbacGroup;
}

export function validateBinding({ roleRef, subjects }: Binding, options: { namespaced: boolean }): FieldError[] {
  const at = FieldPath.of("roleRef");
  const kinds = options.namespaced ? ["ClusterRole", "Role"] : ["ClusterRole"];
  const errors: FieldError[] = [];
  if (roleRef?.apiGroup !== rbacGroup) errors.push(notSupported(at.child("apiGroup"), roleRef?.apiGroup ?? "", [rbacGroup]));
  if (!kinds.includes(roleRef?.kind ?? "")) errors.push(notSupported(at.child("kind"), roleRef?.kind ?? "", kinds));
  if (!roleRef?.name) errors.push(required(at.child("name")));
  return [
    ...errors,
    ...checkEach(subjects, FieldPath.of("subjects"), (subject, where) => validateSubject(subject, where, options.namespaced)),
  ];
}

function validateSubject(subject: rbacv1.Subject, path: FieldPath, namespaced: boolean): FieldError[] {
  const errors: FieldError[] = subject.name ? [] : [required(path.child("name"))];
  if (subject.kind === "ServiceAccount") {
    if (subject.apiGroup) errors.push(notSupported(path.child("apiGroup"), subject.apiGroup, [""]));
    if (!namespaced && !subject.namespace) errors.push(required(path.child("namespace")));
  } else if (subject.kind === "User" || subject.kind === "Group") {
    if (subject.apiGroup !== rbacGroup) errors.push(notSupported(path.child("apiGroup"), subject.apiGroup ?? "", [rbacGroup]));
  } else {
    errors.push(notSupported(path.child("kind"), subject.kind ?? "", ["Group", "ServiceAccount", "User"]));
  }
  return errors;
}

/** What a binding grants is fixed; to grant something else, make another. */
export function validateBindingUpdate(object: Binding, old: Binding): FieldError[] {
  return semanticEqual(object.roleRef, old.roleRef) ? [] : [invalid("roleRef", object.roleRef, "cannot change roleRef")];
}

export function validateRules(rules: readonly rbacv1.PolicyRule[] | undefined, options: { namespaced: boolean }): FieldError[] {
  return checkEach(rules, FieldPath.of("rules"), (rule, path) => {
    const { verbs = [], apiGroups = [], resources = [], nonResourceURLs = [] } = rule;
    const errors: FieldError[] = verbs.length === 0 ? [required(path.child("verbs"), "verbs must contain at least one value")] : [];
    if (nonResourceURLs.length > 0) {
      if (options.namespaced)
        errors.push(invalid(path.child("nonResourceURLs"), nonResourceURLs, "namespaced rules cannot apply to non-resource URLs"));
      if (apiGroups.length > 0 || resources.length > 0 || (rule.resourceNames ?? []).length > 0)
        errors.push(
          invalid(path.child("nonResourceURLs"), nonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs"),
        );
      return errors;
    }
    if (apiGroups.length === 0) errors.push(required(path.child("apiGroups"), "resource rules must supply at least one api group"));
    if (resources.length === 0) errors.push(required(path.child("resources"), "resource rules must supply at least one resource"));
    return errors;
  });
}

/** Names of the subjects of one kind, for a table cell. */
export function subjectsOf({ subjects }: Binding, kind: "User" | "Group" | "ServiceAccount"): string {
  return (subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map((subject) => (kind === "ServiceAccount" ? `${subject.namespace ?? ""}/${subject.name}` : subject.name))
    .join(", ");
}
