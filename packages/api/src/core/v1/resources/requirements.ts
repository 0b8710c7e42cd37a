// Requests and limits. Source: kubernetes pkg/apis/core/validation (validateResourceRequirements).
import {
  duplicate,
  type FieldError,
  type FieldPath,
  forbidden,
  invalid,
  isDNS1123Label,
  notFound,
  Quantity,
  required,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkOptionalRule } from "../../../validation/checks.js";
import { isHugePages, isIntegerResource, isOvercommitAllowed, validateContainerResourceName } from "./resource-names.js";

export function validateResourceRequirements(
  resources: corev1.ResourceRequirements | undefined,
  path: FieldPath,
  podClaimNames: ReadonlySet<string>,
): FieldError[] {
  if (resources === undefined) return [];
  const errors: FieldError[] = [];
  const limits = resources.limits ?? {};
  const requests = resources.requests ?? {};
  for (const [resource, text] of Object.entries(limits)) errors.push(...validateAmount(resource, text, path.child("limits").key(resource)));
  for (const [resource, text] of Object.entries(requests)) {
    errors.push(...validateAmount(resource, text, path.child("requests").key(resource)));
    errors.push(...compareWithLimit(resource, { request: text, limit: limits[resource] }, path));
  }
  const named = [...Object.keys(limits), ...Object.keys(requests)];
  if (named.some(isHugePages) && !named.includes("cpu") && !named.includes("memory"))
    errors.push(forbidden(path, "HugePages require cpu or memory"));
  return [...errors, ...validateClaims(resources.claims, path.child("claims"), podClaimNames)];
}

function compareWithLimit(resource: string, amounts: { request: string; limit: string | undefined }, path: FieldPath): FieldError[] {
  const mayDiffer = isOvercommitAllowed(resource);
  if (amounts.limit === undefined)
    return mayDiffer ? [] : [required(path.child("limits"), "Limit must be set for non overcommitable resources")];
  const order = Quantity.parse(amounts.request).compare(Quantity.parse(amounts.limit));
  if (order !== 0 && !mayDiffer)
    return [invalid(path.child("requests"), amounts.request, `must be equal to ${resource} limit of ${amounts.limit}`)];
  return order > 0
    ? [invalid(path.child("requests"), amounts.request, `must be less than or equal to ${resource} limit of ${amounts.limit}`)]
    : [];
}

function validateAmount(resource: string, text: string, path: FieldPath): FieldError[] {
  const errors = validateContainerResourceName(resource, path);
  const quantity = Quantity.parse(text);
  if (quantity.sign() < 0) errors.push(invalid(path, text, "must be greater than or equal to 0"));
  if (isIntegerResource(resource) && quantity.milliValue() % 1000 !== 0) errors.push(invalid(path, text, "must be an integer"));
  if (isHugePages(resource) && !isMultipleOfPage(resource, quantity))
    errors.push(invalid(path, text, `${text} is not positive integer multiple of ${resource}`));
  return errors;
}

function isMultipleOfPage(resource: string, quantity: Quantity): boolean {
  try {
    const page = Quantity.parse(resource.slice("hugepages-".length)).value();
    return page > 0 && quantity.value() % page === 0;
  } catch {
    // Not a size at all: the name check has said so.
    return false;
  }
}

function validateClaims(
  claims: readonly corev1.ResourceClaim[] | undefined,
  path: FieldPath,
  podClaimNames: ReadonlySet<string>,
): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [position, claim] of (claims ?? []).entries()) {
    const at = path.index(position);
    if (!claim.name) {
      errors.push(required(at));
      continue;
    }
    const key = claim.request ? `${claim.name}/${claim.request}` : claim.name;
    errors.push(...checkOptionalRule(claim.request, at.child("request"), isDNS1123Label));
    const wholeTaken = seen.has(claim.name) || seen.has(key);
    const partTaken = !claim.request && [...seen].some((other) => other.startsWith(`${claim.name}/`));
    if (wholeTaken || partTaken) errors.push(duplicate(at, key));
    seen.add(key);
    if (!podClaimNames.has(claim.name)) {
      const known = podClaimNames.size === 0 ? " which is empty" : `: ${[...podClaimNames].sort().join(", ")}`;
      const missing = notFound(at, claim.name);
      errors.push({ ...missing, body: `${missing.body}: must be one of the names in pod.spec.resourceClaims${known}` });
    }
  }
  return errors;
}
