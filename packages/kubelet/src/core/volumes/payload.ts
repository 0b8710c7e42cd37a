// Files of configMap, secret, downwardAPI and projected volumes, as data. Upstream: pkg/volume/{configmap,secret,downwardapi,projected}.
import type { corev1 } from "@lenj/proto/k8s";
import { type DownwardFacts, fieldRefText, resourceFieldText } from "../env/field-ref.js";
import { KubeletCoreError } from "../errors.js";
import { findPodContainer } from "../pod/containers.js";

export interface PayloadFile {
  readonly content: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}
/** Relative path → file. */
export type Payload = Map<string, PayloadFile>;

/** Objects and tokens a volume refers to, fetched before; undefined: there is none. */
export interface PayloadSources extends DownwardFacts {
  configMap(name: string): corev1.ConfigMap | undefined;
  secret(name: string): corev1.Secret | undefined;
  /** Key of a service account token projection, see tokenKey(). */
  token(key: string): string | undefined;
  encode(text: string): Uint8Array;
  decodeBase64(text: string): Uint8Array;
}

const defaultMode = 0o644;

export interface VolumeReferences {
  readonly configMaps: Set<string>;
  readonly secrets: Set<string>;
  readonly tokens: corev1.ServiceAccountTokenProjection[];
}

/** Everything the volume's content is made from besides the pod. */
export function volumeReferences(volume: corev1.Volume): VolumeReferences {
  const references: VolumeReferences = { configMaps: new Set(), secrets: new Set(), tokens: [] };
  if (volume.configMap?.name !== undefined) references.configMaps.add(volume.configMap.name);
  if (volume.secret?.secretName !== undefined) references.secrets.add(volume.secret.secretName);
  for (const source of volume.projected?.sources ?? []) {
    if (source.configMap?.name !== undefined) references.configMaps.add(source.configMap.name);
    if (source.secret?.name !== undefined) references.secrets.add(source.secret.name);
    if (source.serviceAccountToken !== undefined) references.tokens.push(source.serviceAccountToken);
  }
  return references;
}

export function tokenKey(token: corev1.ServiceAccountTokenProjection): string {
  return `${token.audience ?? ""}/${token.expirationSeconds ?? 3600}`;
}

/** Throws KubeletCoreError "CONFIG" when something that is not optional is missing. */
export function volumePayload(volume: corev1.Volume, sources: PayloadSources): Payload {
  const payload: Payload = new Map();
  if (volume.configMap !== undefined) addConfigMap(payload, volume.configMap, volume.configMap.defaultMode ?? defaultMode, sources);
  else if (volume.secret !== undefined)
    addSecret(payload, { ...volume.secret, name: volume.secret.secretName }, volume.secret.defaultMode ?? defaultMode, sources);
  else if (volume.downwardAPI !== undefined)
    addDownward(payload, volume.downwardAPI.items ?? [], volume.downwardAPI.defaultMode ?? defaultMode, sources);
  else if (volume.projected !== undefined) {
    const mode = volume.projected.defaultMode ?? defaultMode;
    for (const source of volume.projected.sources ?? []) addProjection(payload, source, mode, sources);
  }
  return payload;
}

function addProjection(payload: Payload, source: corev1.VolumeProjection, mode: number, sources: PayloadSources): void {
  if (source.configMap !== undefined) addConfigMap(payload, source.configMap, mode, sources);
  if (source.secret !== undefined) addSecret(payload, source.secret, mode, sources);
  if (source.downwardAPI !== undefined) addDownward(payload, source.downwardAPI.items ?? [], mode, sources);
  if (source.serviceAccountToken !== undefined) {
    const token = sources.token(tokenKey(source.serviceAccountToken));
    if (token === undefined) throw new KubeletCoreError("CONFIG", "failed to fetch token");
    // A token is for its owner only; a pod with an fsGroup or a user of its own reads it as such.
    const context = sources.pod.spec?.securityContext;
    const restricted = context?.fsGroup !== undefined || commonRunAsUser(sources.pod) !== undefined;
    put(payload, source.serviceAccountToken.path, { content: sources.encode(token), mode: restricted ? 0o600 : mode });
  }
  if (source.clusterTrustBundle !== undefined || source.podCertificate !== undefined) {
    throw new KubeletCoreError("CONFIG", "projected volume sources clusterTrustBundle and podCertificate are not enabled on this node");
  }
}

/** The user that every container of the pod runs as, if it is one: files may then belong to it. */
export function commonRunAsUser(pod: corev1.Pod): number | undefined {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const users = new Set(containers.map((container) => container.securityContext?.runAsUser ?? pod.spec?.securityContext?.runAsUser));
  return users.size === 1 ? [...users][0] : undefined;
}

interface NamedSource {
  readonly name?: string | undefined;
  readonly items?: readonly corev1.KeyToPath[] | undefined;
  readonly optional?: boolean | undefined;
}

function addConfigMap(payload: Payload, source: NamedSource, mode: number, sources: PayloadSources): void {
  const name = source.name ?? "";
  const object = sources.configMap(name);
  if (object === undefined && source.optional !== true) throw new KubeletCoreError("CONFIG", `configmap ${JSON.stringify(name)} not found`);
  const content = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(object?.data ?? {})) content.set(key, sources.encode(text));
  for (const [key, text] of Object.entries(object?.binaryData ?? {})) content.set(key, sources.decodeBase64(text));
  addKeys(payload, content, source, { mode, missing: (key) => `configmap references non-existent config key: ${key}` });
}

function addSecret(payload: Payload, source: NamedSource, mode: number, sources: PayloadSources): void {
  const name = source.name ?? "";
  const object = sources.secret(name);
  if (object === undefined && source.optional !== true) throw new KubeletCoreError("CONFIG", `secret ${JSON.stringify(name)} not found`);
  const content = new Map(Object.entries(object?.data ?? {}).map(([key, text]) => [key, sources.decodeBase64(text)] as const));
  addKeys(payload, content, source, { mode, missing: (key) => `references non-existent secret key: ${key}` });
}

function addKeys(
  payload: Payload,
  content: ReadonlyMap<string, Uint8Array>,
  source: NamedSource,
  options: { mode: number; missing: (key: string) => string },
): void {
  if (source.items === undefined || source.items.length === 0) {
    for (const [key, bytes] of content) put(payload, key, { content: bytes, mode: options.mode });
    return;
  }
  for (const item of source.items) {
    const bytes = content.get(item.key);
    if (bytes === undefined) {
      if (source.optional === true) continue;
      throw new KubeletCoreError("CONFIG", options.missing(item.key));
    }
    put(payload, item.path, { content: bytes, mode: item.mode ?? options.mode });
  }
}

function addDownward(payload: Payload, items: readonly corev1.DownwardAPIVolumeFile[], mode: number, sources: PayloadSources): void {
  for (const item of items) {
    let text = "";
    if (item.fieldRef !== undefined) text = fieldRefText(item.fieldRef.fieldPath, sources);
    else if (item.resourceFieldRef !== undefined) {
      const container = findPodContainer(sources.pod, item.resourceFieldRef.containerName ?? "")?.container;
      if (container === undefined) throw new KubeletCoreError("CONFIG", `container ${item.resourceFieldRef.containerName ?? ""} not found`);
      text = resourceFieldText(item.resourceFieldRef, container, sources);
    }
    put(payload, item.path, { content: sources.encode(text), mode: item.mode ?? mode });
  }
}

// A path that leaves the volume would let an object's keys write anywhere on the node.
function put(payload: Payload, path: string, file: PayloadFile): void {
  const clean = path
    .replace(/^\/+/, "")
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
  if (clean === "" || clean.split("/").includes("..") || clean.startsWith(".."))
    throw new KubeletCoreError("CONFIG", `invalid path ${JSON.stringify(path)}: must not contain '..' or be empty`);
  payload.set(clean, file);
}
