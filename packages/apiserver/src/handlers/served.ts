// Between the form of an object that is stored and the form that an endpoint speaks.
import { cloneJSON, formatAPIVersion, type KubernetesObject, type ResourceDeclaration } from "@lenj/apimachinery";

/** The served form. Not a copy unless a conversion made one: do not mutate. */
export function toServed(declaration: ResourceDeclaration, stored: KubernetesObject): KubernetesObject {
  const conversion = declaration.storage?.conversion;
  return conversion === undefined ? stored : conversion.fromStorage(stored);
}

/** A served form of one's own. */
export function toServedCopy(declaration: ResourceDeclaration, stored: KubernetesObject): KubernetesObject {
  return cloneJSON(toServed(declaration, stored));
}

/** The stored form, with the stored kind named in it. */
export function toStored(declaration: ResourceDeclaration, served: KubernetesObject): KubernetesObject {
  const placement = declaration.storage;
  const converted = placement?.conversion === undefined ? served : placement.conversion.toStorage(served);
  const gvk = placement?.gvk ?? declaration.gvk;
  converted.apiVersion = formatAPIVersion(gvk.group, gvk.version);
  converted.kind = gvk.kind;
  return converted;
}
