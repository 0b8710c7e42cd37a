// Environment of a container. Upstream: makeEnvironmentVariables in kubelet_pods.go.
//
// E1. Precedence, strongest first: env, then envFrom (later sources win), then service variables.
// E2. A reference sees only what stands before it in env, plus envFrom and service variables.
import type { corev1 } from "@lenj/proto/k8s";
import { KubeletCoreError } from "../errors.js";
import { findPodContainer } from "../pod/containers.js";
import { podNamespace } from "../pod/identity.js";
import { expand } from "./expand.js";
import { type DownwardFacts, fieldRefText, resourceFieldText } from "./field-ref.js";

/** Objects that env refers to, fetched before; a missing one is undefined. */
export interface EnvironmentSources extends DownwardFacts {
  configMap(name: string): corev1.ConfigMap | undefined;
  secret(name: string): corev1.Secret | undefined;
  /** Secret values come in base64; decoding is the caller's because cores have no Buffer. */
  decodeBase64(text: string): string;
  readonly serviceVariables: ReadonlyMap<string, string>;
}

/** Names of the objects that the container's environment needs. */
export function environmentReferences(container: corev1.Container): { configMaps: string[]; secrets: string[] } {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const from of container.envFrom ?? []) {
    if (from.configMapRef?.name !== undefined) configMaps.add(from.configMapRef.name);
    if (from.secretRef?.name !== undefined) secrets.add(from.secretRef.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name !== undefined) configMaps.add(valueFrom.configMapKeyRef.name);
    if (valueFrom?.secretKeyRef?.name !== undefined) secrets.add(valueFrom.secretKeyRef.name);
  }
  return { configMaps: [...configMaps], secrets: [...secrets] };
}

/** Throws KubeletCoreError "CONFIG" when something that is not optional is missing. */
export function containerEnvironment(container: corev1.Container, sources: EnvironmentSources): Map<string, string> {
  const result = new Map<string, string>();
  for (const from of container.envFrom ?? []) {
    for (const [key, value] of envFromEntries(from, sources)) result.set(`${from.prefix ?? ""}${key}`, value);
  }
  const lookup = (name: string): string | undefined => result.get(name) ?? sources.serviceVariables.get(name);
  for (const variable of container.env ?? []) {
    const value =
      variable.valueFrom === undefined ? expand(variable.value ?? "", lookup) : valueFrom(variable.valueFrom, container, sources);
    if (value !== undefined) result.set(variable.name, value);
  }
  for (const [name, value] of sources.serviceVariables) {
    if (!result.has(name)) result.set(name, value);
  }
  return result;
}

function envFromEntries(from: corev1.EnvFromSource, sources: EnvironmentSources): [string, string][] {
  if (from.configMapRef !== undefined) {
    const name = from.configMapRef.name ?? "";
    const object = sources.configMap(name);
    if (object === undefined && from.configMapRef.optional !== true)
      throw new KubeletCoreError("CONFIG", `configmap ${JSON.stringify(name)} not found`);
    return sorted(object?.data ?? {});
  }
  if (from.secretRef !== undefined) {
    const name = from.secretRef.name ?? "";
    const object = sources.secret(name);
    if (object === undefined && from.secretRef.optional !== true)
      throw new KubeletCoreError("CONFIG", `secret ${JSON.stringify(name)} not found`);
    return sorted(object?.data ?? {}).map(([key, value]) => [key, sources.decodeBase64(value)]);
  }
  return [];
}

function valueFrom(from: corev1.EnvVarSource, container: corev1.Container, sources: EnvironmentSources): string | undefined {
  if (from.fieldRef !== undefined) return fieldRefText(from.fieldRef.fieldPath, sources);
  if (from.resourceFieldRef !== undefined) {
    const name = from.resourceFieldRef.containerName;
    const target = name === undefined || name === "" ? container : findPodContainer(sources.pod, name)?.container;
    if (target === undefined) throw new KubeletCoreError("CONFIG", `container ${name} not found`);
    return resourceFieldText(from.resourceFieldRef, target, sources);
  }
  const namespace = podNamespace(sources.pod);
  if (from.configMapKeyRef !== undefined) {
    const { name = "", key, optional } = from.configMapKeyRef;
    const object = sources.configMap(name);
    if (object === undefined && optional !== true) throw new KubeletCoreError("CONFIG", `configmap ${JSON.stringify(name)} not found`);
    const value = object?.data?.[key];
    if (value === undefined && optional !== true)
      throw new KubeletCoreError("CONFIG", `couldn't find key ${key} in ConfigMap ${namespace}/${name}`);
    return value;
  }
  if (from.secretKeyRef !== undefined) {
    const { name = "", key, optional } = from.secretKeyRef;
    const object = sources.secret(name);
    if (object === undefined && optional !== true) throw new KubeletCoreError("CONFIG", `secret ${JSON.stringify(name)} not found`);
    const value = object?.data?.[key];
    if (value === undefined && optional !== true)
      throw new KubeletCoreError("CONFIG", `couldn't find key ${key} in Secret ${namespace}/${name}`);
    return value === undefined ? undefined : sources.decodeBase64(value);
  }
  return "";
}

function sorted(data: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(data).sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
}
