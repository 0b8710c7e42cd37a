// Where a pod may run. Source: kubernetes pkg/apis/core/validation (affinity, tolerations, topology spread, scheduling gates).
import {
  duplicate,
  type FieldError,
  type FieldPath,
  forbidden,
  invalid,
  isDNS1123Label,
  isDNS1123Subdomain,
  isLabelValue,
  isQualifiedName,
  notSupported,
  required,
  validateLabelName,
  validateLabelSelector,
  validateLabels,
} from "@lenj/apimachinery";
import type { corev1, metav1 } from "@lenj/proto/k8s";
import { checkEach, checkOptionalOneOf, checkPositive, checkRule } from "../../../validation/checks.js";

export function validateScheduling(spec: corev1.PodSpec, path: FieldPath): FieldError[] {
  return [
    ...validateLabels(spec.nodeSelector, path.child("nodeSelector")),
    ...validateAffinity(spec.affinity, path.child("affinity")),
    ...validateGates(spec.schedulingGates, path.child("schedulingGates")),
    ...validateSpread(spec.topologySpreadConstraints ?? [], path.child("topologySpreadConstraints")),
    ...validateTolerations(spec.tolerations, path.child("tolerations")),
  ];
}

function validateGates(gates: readonly corev1.PodSchedulingGate[] | undefined, path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  return checkEach(gates, path, ({ name }, at) => {
    const errors = checkRule(name ?? "", at, isQualifiedName);
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    return errors;
  });
}

const taintEffects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

export function validateTolerations(tolerations: readonly corev1.Toleration[] | undefined, path: FieldPath): FieldError[] {
  return checkEach(tolerations, path, (toleration, at) => {
    const errors: FieldError[] = toleration.key ? validateLabelName(toleration.key, at.child("key")) : [];
    const { operator = "", value = "" } = toleration;
    if (!toleration.key && operator !== "Exists") {
      errors.push(
        invalid(at.child("operator"), operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'),
      );
    }
    if (toleration.tolerationSeconds !== undefined && toleration.effect !== "NoExecute") {
      errors.push(invalid(at.child("effect"), toleration.effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    if (operator === "Exists") {
      if (value !== "") errors.push(invalid(at.child("operator"), value, "value must be empty when `operator` is 'Exists'"));
    } else if (operator === "" || operator === "Equal") {
      const problems = isLabelValue(value);
      if (problems.length > 0) errors.push(invalid(at.child("operator"), value, problems.join(";")));
    } else {
      errors.push(notSupported(at.child("operator"), operator, ["Equal", "Exists"]));
    }
    if (toleration.effect) errors.push(...checkOptionalOneOf(toleration.effect, at.child("effect"), taintEffects));
    return errors;
  });
}

export function validateTaintEffect(effect: string | undefined, path: FieldPath): FieldError[] {
  return effect ? checkOptionalOneOf(effect, path, taintEffects) : [required(path)];
}

function validateAffinity(affinity: corev1.Affinity | undefined, path: FieldPath): FieldError[] {
  if (affinity === undefined) return [];
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity;
  return [
    ...validateNodeAffinity(nodeAffinity, path.child("nodeAffinity")),
    ...validatePodAffinity(podAffinity, path.child("podAffinity")),
    ...validatePodAffinity(podAntiAffinity, path.child("podAntiAffinity")),
  ];
}

const requiredTerms = "requiredDuringSchedulingIgnoredDuringExecution";
const preferredTerms = "preferredDuringSchedulingIgnoredDuringExecution";

function validateNodeAffinity(affinity: corev1.NodeAffinity | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const selector = affinity?.[requiredTerms];
  if (selector !== undefined) errors.push(...validateNodeSelector(selector, path.child(requiredTerms)));
  errors.push(
    ...checkEach(affinity?.[preferredTerms], path.child(preferredTerms), (term, at) => [
      ...validateWeight(term.weight, at),
      ...validateNodeSelectorTerm(term.preference ?? {}, at.child("preference"), { checkValues: false }),
    ]),
  );
  return errors;
}

export function validateNodeSelector(selector: corev1.NodeSelector, path: FieldPath): FieldError[] {
  const at = path.child("nodeSelectorTerms");
  if ((selector.nodeSelectorTerms ?? []).length === 0) return [required(at, "must have at least one node selector term")];
  return checkEach(selector.nodeSelectorTerms, at, (term, where) => validateNodeSelectorTerm(term, where, { checkValues: true }));
}

function validateNodeSelectorTerm(term: corev1.NodeSelectorTerm, path: FieldPath, options: { checkValues: boolean }): FieldError[] {
  return [
    ...checkEach(term.matchExpressions, path.child("matchExpressions"), (requirement, at) =>
      validateNodeRequirement(requirement, at, options),
    ),
    ...checkEach(term.matchFields, path.child("matchFields"), validateNodeFieldRequirement),
  ];
}

function validateNodeRequirement(
  requirement: corev1.NodeSelectorRequirement,
  path: FieldPath,
  options: { checkValues: boolean },
): FieldError[] {
  const values = requirement.values ?? [];
  const at = path.child("values");
  const errors: FieldError[] = [];
  switch (requirement.operator) {
    case "In":
    case "NotIn":
      if (values.length === 0) errors.push(required(at, "must be specified when `operator` is 'In' or 'NotIn'"));
      break;
    case "Exists":
    case "DoesNotExist":
      if (values.length > 0) errors.push(forbidden(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      break;
    case "Gt":
    case "Lt":
      if (values.length !== 1) errors.push(required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      break;
    default:
      errors.push(invalid(path.child("operator"), requirement.operator ?? "", "not a valid selector operator"));
  }
  errors.push(...validateLabelName(requirement.key ?? "", path.child("key")));
  return options.checkValues ? [...errors, ...checkEach(values, at, (value, where) => checkRule(value, where, isLabelValue))] : errors;
}

function validateNodeFieldRequirement(requirement: corev1.NodeSelectorRequirement, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (requirement.operator !== "In" && requirement.operator !== "NotIn")
    errors.push(invalid(path.child("operator"), requirement.operator ?? "", "not a valid selector operator"));
  else if ((requirement.values ?? []).length !== 1)
    errors.push(required(path.child("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"));
  if (requirement.key !== "metadata.name")
    return [...errors, invalid(path.child("key"), requirement.key ?? "", "not a valid field selector key")];
  return [...errors, ...checkEach(requirement.values, path.child("values"), (value, at) => checkRule(value, at, isDNS1123Subdomain))];
}

function validateWeight(weight: number | undefined, path: FieldPath): FieldError[] {
  return weight !== undefined && weight > 0 && weight <= 100
    ? []
    : [invalid(path.child("weight"), weight ?? 0, "must be in the range 1-100")];
}

function validatePodAffinity(affinity: corev1.PodAffinity | corev1.PodAntiAffinity | undefined, path: FieldPath): FieldError[] {
  return [
    ...checkEach(affinity?.[requiredTerms], path.child(requiredTerms), validatePodAffinityTerm),
    ...checkEach(affinity?.[preferredTerms], path.child(preferredTerms), (term, at) => [
      ...validateWeight(term.weight, at),
      ...validatePodAffinityTerm(term.podAffinityTerm ?? {}, at.child("podAffinityTerm")),
    ]),
  ];
}

function validatePodAffinityTerm(term: corev1.PodAffinityTerm, path: FieldPath): FieldError[] {
  const errors = [
    ...validateLabelSelector(term.labelSelector, path.child("labelSelector")),
    ...validateLabelSelector(term.namespaceSelector, path.child("namespaceSelector")),
  ];
  for (const namespace of term.namespaces ?? []) errors.push(...checkRule(namespace, path.child("namespace"), isDNS1123Label));
  errors.push(...validateMatchLabelKeys(term, path));
  if (!term.topologyKey) errors.push(required(path.child("topologyKey"), "can not be empty"));
  return [...errors, ...validateLabelName(term.topologyKey ?? "", path.child("topologyKey"))];
}

interface LabelKeys {
  readonly matchLabelKeys?: readonly string[] | undefined;
  readonly mismatchLabelKeys?: readonly string[] | undefined;
  readonly labelSelector?: metav1.LabelSelector | undefined;
}

function validateMatchLabelKeys(term: LabelKeys, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["matchLabelKeys", "mismatchLabelKeys"] as const) {
    const keys = term[field] ?? [];
    if (keys.length === 0) continue;
    if (term.labelSelector === undefined) errors.push(forbidden(path.child(field), "must not be specified when labelSelector is not set"));
    else errors.push(...checkEach(keys, path.child(field), (key, at) => validateLabelName(key, at)));
  }
  const mismatched = new Set(term.mismatchLabelKeys ?? []);
  for (const [position, key] of (term.matchLabelKeys ?? []).entries()) {
    if (mismatched.has(key))
      errors.push(invalid(path.child("matchLabelKeys").index(position), key, "exists in both matchLabelKeys and mismatchLabelKeys"));
  }
  return errors;
}

function validateSpread(constraints: readonly corev1.TopologySpreadConstraint[], path: FieldPath): FieldError[] {
  return checkEach(constraints, path, (constraint, at, position) => {
    const errors = checkPositive(constraint.maxSkew, at.child("maxSkew"));
    if (!constraint.topologyKey) errors.push(required(at.child("topologyKey"), "can not be empty"));
    errors.push(
      ...checkOptionalOneOf(constraint.whenUnsatisfiable ?? "", at.child("whenUnsatisfiable"), ["DoNotSchedule", "ScheduleAnyway"]),
    );
    const repeated = constraints
      .slice(position + 1)
      .some((other) => other.topologyKey === constraint.topologyKey && other.whenUnsatisfiable === constraint.whenUnsatisfiable);
    if (repeated)
      errors.push(duplicate(at.child("{topologyKey, whenUnsatisfiable}"), `{${constraint.topologyKey}, ${constraint.whenUnsatisfiable}}`));
    if (constraint.minDomains !== undefined) {
      errors.push(...checkPositive(constraint.minDomains, at.child("minDomains")));
      if (constraint.whenUnsatisfiable !== "DoNotSchedule") {
        errors.push(
          invalid(
            at.child("minDomains"),
            constraint.minDomains,
            `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${constraint.whenUnsatisfiable}`,
          ),
        );
      }
    }
    for (const policy of ["nodeAffinityPolicy", "nodeTaintsPolicy"] as const)
      errors.push(...checkOptionalOneOf(constraint[policy], at.child(policy), ["Honor", "Ignore"]));
    return [
      ...errors,
      ...validateMatchLabelKeys(constraint, at),
      ...validateLabelSelector(constraint.labelSelector, at.child("labelSelector")),
    ];
  });
}
