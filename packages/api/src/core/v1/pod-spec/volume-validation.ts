// Volumes of pods. Source: kubernetes pkg/apis/core/validation (ValidateVolumes, validateVolumeSource).
import {
  duplicate,
  type FieldError,
  type FieldPath,
  forbidden,
  invalid,
  isDNS1123Label,
  Quantity,
  required,
  validateAnnotations,
  validateLabels,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import {
  checkEach,
  checkLocalDescendingPath,
  checkLocalNonReservedPath,
  checkNoBacksteps,
  checkOptionalOneOf,
  checkRequired,
  checkRequiredRule,
} from "../../../validation/checks.js";
import { validateClaimSpec } from "../persistent-volume-claim/validation.js";
import { validateFieldRef, validateResourceFieldRef } from "./env-validation.js";
import { validateProjected } from "./projected-validation.js";

const modeMessage = "must be a number between 0 and 0777 (octal), both inclusive";

/** Errors, and the volumes that mounts may refer to. */
export function validateVolumes(
  volumes: readonly corev1.Volume[] | undefined,
  path: FieldPath,
  podName: string,
): { errors: FieldError[]; byName: Map<string, corev1.Volume> } {
  const byName = new Map<string, corev1.Volume>();
  const ephemeralClaims = new Set(
    (volumes ?? []).filter((volume) => podName !== "" && volume.ephemeral !== undefined).map((volume) => `${podName}-${volume.name}`),
  );
  const errors = checkEach(volumes, path, (volume, at) => {
    const own = [...validateSource(volume, at), ...checkRequiredRule(volume.name, at.child("name"), isDNS1123Label)];
    if (byName.has(volume.name)) own.push(duplicate(at.child("name"), volume.name));
    if (own.length === 0) byName.set(volume.name, volume);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim !== undefined && ephemeralClaims.has(claim))
      own.push(
        invalid(
          at.child("persistentVolumeClaim", "claimName"),
          claim,
          "must not reference a PVC that gets created for an ephemeral volume",
        ),
      );
    return own;
  });
  return { errors, byName };
}

type Check<K extends keyof corev1.VolumeSource> = (source: NonNullable<corev1.VolumeSource[K]>, path: FieldPath) => FieldError[];

const needs =
  (...fields: string[]) =>
  (source: object, path: FieldPath): FieldError[] =>
    fields.flatMap((field) => checkRequired((source as Record<string, unknown>)[field], path.child(field)));

// In the order in which upstream looks at them: of two sources the later one is the forbidden one.
const checks: { readonly [K in keyof corev1.VolumeSource]?: Check<K> } = {
  emptyDir: ({ sizeLimit }, path) =>
    sizeLimit !== undefined && Quantity.parse(sizeLimit).sign() < 0
      ? [forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity")]
      : [],
  hostPath: validateHostPath,
  gitRepo: (source, path) => [
    ...needs("repository")(source, path),
    ...checkLocalDescendingPath(source.directory ?? "", path.child("directory")),
  ],
  gcePersistentDisk: needs("pdName"),
  awsElasticBlockStore: needs("volumeID"),
  secret: (source, path) => [
    ...needs("secretName")(source, path),
    ...validateMode(source.defaultMode, path.child("defaultMode")),
    ...checkEach(source.items, path.child("items"), validateKeyToPath),
  ],
  nfs: validateNFS,
  iscsi: needs("targetPortal", "iqn"),
  glusterfs: needs("endpoints", "path"),
  persistentVolumeClaim: needs("claimName"),
  rbd: (source, path) => [
    ...((source.monitors ?? []).length === 0 ? [required(path.child("monitors"))] : []),
    ...needs("image")(source, path),
  ],
  cinder: needs("volumeID"),
  cephfs: (source, path) => ((source.monitors ?? []).length === 0 ? [required(path.child("monitors"))] : []),
  flexVolume: needs("driver"),
  downwardAPI: (source, path) => [
    ...validateMode(source.defaultMode, path.child("defaultMode")),
    ...(source.items ?? []).flatMap((item) => validateDownwardFile(item, path)),
  ],
  fc: (source, path) =>
    (source.targetWWNs ?? []).length > 0 || (source.wwids ?? []).length > 0
      ? []
      : [required(path.child("targetWWNs"), "must specify either targetWWNs or wwids, but not both")],
  azureFile: needs("secretName", "shareName"),
  configMap: (source, path) => [
    ...needs("name")(source, path),
    ...validateMode(source.defaultMode, path.child("defaultMode")),
    ...checkEach(source.items, path.child("items"), validateKeyToPath),
  ],
  vsphereVolume: needs("volumePath"),
  quobyte: needs("registry", "volume"),
  azureDisk: needs("diskName", "diskURI"),
  photonPersistentDisk: needs("pdID"),
  projected: validateProjected,
  portworxVolume: needs("volumeID"),
  scaleIO: needs("gateway", "system", "volumeName"),
  storageos: needs("volumeName"),
  csi: needs("driver"),
  ephemeral: validateEphemeral,
  image: (source, path) => [
    ...needs("reference")(source, path),
    ...checkOptionalOneOf(source.pullPolicy, path.child("pullPolicy"), ["Always", "IfNotPresent", "Never"]),
  ],
};

function validateSource(volume: corev1.Volume, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  let found = false;
  for (const kind of Object.keys(checks) as (keyof corev1.VolumeSource)[]) {
    const source = volume[kind];
    if (source === undefined || source === null) continue;
    if (found && kind !== "emptyDir") errors.push(forbidden(path.child(kind), "may not specify more than 1 volume type"));
    else errors.push(...(checks[kind] as (source: object, path: FieldPath) => FieldError[])(source, path.child(kind)));
    found = true;
  }
  if (!found) errors.push(required(path, "must specify a volume type"));
  return errors;
}

const hostPathTypes = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

function validateHostPath(source: corev1.HostPathVolumeSource, path: FieldPath): FieldError[] {
  if (!source.path) return [required(path.child("path"))];
  return [...checkNoBacksteps(source.path, path.child("path")), ...checkOptionalOneOf(source.type, path.child("type"), hostPathTypes)];
}

function validateNFS(source: corev1.NFSVolumeSource, path: FieldPath): FieldError[] {
  const errors = needs("server", "path")(source, path);
  if (!(source.path ?? "").startsWith("/")) errors.push(invalid(path.child("path"), source.path ?? "", "must be an absolute path"));
  return errors;
}

export function validateMode(mode: number | undefined, path: FieldPath): FieldError[] {
  return mode === undefined || (mode >= 0 && mode <= 0o777) ? [] : [invalid(path, mode, modeMessage)];
}

export function validateKeyToPath(item: corev1.KeyToPath, path: FieldPath): FieldError[] {
  return [
    ...needs("key", "path")(item, path),
    ...checkLocalNonReservedPath(item.path ?? "", path.child("path")),
    ...validateMode(item.mode, path.child("mode")),
  ];
}

const downwardFieldPaths = ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/** Upstream gives these errors the path of the whole volume source. */
export function validateDownwardFile(file: corev1.DownwardAPIVolumeFile, path: FieldPath): FieldError[] {
  const errors = [...needs("path")(file, path), ...checkLocalNonReservedPath(file.path ?? "", path.child("path"))];
  if (file.fieldRef !== undefined) {
    errors.push(...validateFieldRef(file.fieldRef, path.child("fieldRef"), downwardFieldPaths));
    if (file.resourceFieldRef !== undefined)
      errors.push(invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"));
  } else if (file.resourceFieldRef !== undefined) {
    errors.push(...validateResourceFieldRef(file.resourceFieldRef, path.child("resourceFieldRef"), { needsContainer: true }));
  } else {
    errors.push(required(path, "one of fieldRef and resourceFieldRef is required"));
  }
  return [...errors, ...validateMode(file.mode, path.child("mode"))];
}

function validateEphemeral(source: corev1.EphemeralVolumeSource, path: FieldPath): FieldError[] {
  const template = source.volumeClaimTemplate;
  const at = path.child("volumeClaimTemplate");
  if (template === undefined) return [required(at)];
  return [
    ...validateAnnotations(template.metadata?.annotations, at.child("metadata", "annotations")),
    ...validateLabels(template.metadata?.labels, at.child("metadata", "labels")),
    ...validateClaimSpec(template.spec ?? {}, at.child("spec")),
  ];
}
