// Names of compute resources. Source: kubernetes pkg/apis/core/helper, pkg/apis/core/validation.
import { type FieldError, type FieldPath, invalid, isQualifiedName } from "@lenj/apimachinery";

const standardContainerResources = new Set(["cpu", "memory", "ephemeral-storage"]);

const standardResources = new Set([
  "cpu",
  "memory",
  "ephemeral-storage",
  "requests.cpu",
  "requests.memory",
  "requests.ephemeral-storage",
  "limits.cpu",
  "limits.memory",
  "limits.ephemeral-storage",
  "pods",
  "resourcequotas",
  "services",
  "replicationcontrollers",
  "secrets",
  "persistentvolumeclaims",
  "configmaps",
  "services.nodeports",
  "services.loadbalancers",
  "storage",
  "requests.storage",
]);

export const isHugePages = (resource: string): boolean => resource.startsWith("hugepages-");

/** Counted in whole things, and never overcommitted. */
export function isExtendedResource(resource: string): boolean {
  return !isNativeResource(resource) && !resource.startsWith("requests.") && isQualifiedName(`requests.${resource}`).length === 0;
}

export function isNativeResource(resource: string): boolean {
  return !resource.includes("/") || resource.includes("kubernetes.io/");
}

/** Containers may go beyond what they asked for. */
export function isOvercommitAllowed(resource: string): boolean {
  return isNativeResource(resource) && !isHugePages(resource);
}

/** Resources that are counted in whole things. */
export function isIntegerResource(resource: string): boolean {
  return (
    isExtendedResource(resource) ||
    [
      "pods",
      "services",
      "replicationcontrollers",
      "resourcequotas",
      "secrets",
      "configmaps",
      "persistentvolumeclaims",
      "services.nodeports",
      "services.loadbalancers",
    ].includes(resource)
  );
}

export function validateResourceName(resource: string, path: FieldPath): FieldError[] {
  const errors = isQualifiedName(resource).map((message) => invalid(path, resource, message));
  if (errors.length > 0) return errors;
  if (
    !resource.includes("/") &&
    !standardResources.has(resource) &&
    !isHugePages(resource) &&
    !/^(requests|limits)\.hugepages-/.test(resource)
  ) {
    errors.push(invalid(path, resource, "must be a standard resource type or fully qualified"));
  }
  return errors;
}

export function validateContainerResourceName(resource: string, path: FieldPath): FieldError[] {
  const errors = validateResourceName(resource, path);
  if (!resource.includes("/")) {
    if (!standardContainerResources.has(resource) && !isHugePages(resource))
      errors.push(invalid(path, resource, "must be a standard resource for containers"));
  } else if (!isNativeResource(resource) && !isExtendedResource(resource)) {
    errors.push(invalid(path, resource, "doesn't follow extended resource name standard"));
  }
  return errors;
}
