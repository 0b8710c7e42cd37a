// Volumes as containers see them. Source: kubernetes pkg/apis/core/validation (ValidateVolumeMounts, ValidateVolumeDevices).
import { type FieldError, type FieldPath, forbidden, invalid, notFound, required } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkEach, checkLocalDescendingPath, checkNoBacksteps } from "../../../validation/checks.js";

export type VolumesByName = ReadonlyMap<string, corev1.Volume>;

type ContainerLike = corev1.Container | corev1.EphemeralContainer;

export function validateMounts(container: ContainerLike, path: FieldPath, volumes: VolumesByName): FieldError[] {
  const mountsPath = path.child("volumeMounts");
  const devices = container.volumeDevices ?? [];
  const taken = new Set<string>();
  return checkEach(container.volumeMounts, mountsPath, (mount, at) => {
    const errors: FieldError[] = [];
    if (!mount.name) errors.push(required(at.child("name")));
    if (!volumes.has(mount.name)) errors.push(notFound(at.child("name"), mount.name));
    if (!mount.mountPath) errors.push(required(at.child("mountPath")));
    if (taken.has(mount.mountPath)) errors.push(invalid(at.child("mountPath"), mount.mountPath, "must be unique"));
    taken.add(mount.mountPath);
    if (devices.some((device) => device.name === mount.name))
      errors.push(invalid(at.child("name"), mount.name, "must not already exist in volumeDevices"));
    if (devices.some((device) => device.devicePath === mount.mountPath))
      errors.push(invalid(at.child("mountPath"), mount.mountPath, "must not already exist as a path in volumeDevices"));
    // Upstream leaves the index out of the paths of these.
    if (mount.subPath) errors.push(...checkLocalDescendingPath(mount.subPath, mountsPath.child("subPath")));
    if (mount.subPathExpr) {
      if (mount.subPath) errors.push(invalid(at.child("subPathExpr"), mount.subPathExpr, "subPathExpr and subPath are mutually exclusive"));
      errors.push(...checkLocalDescendingPath(mount.subPathExpr, mountsPath.child("subPathExpr")));
    }
    return [
      ...errors,
      ...validatePropagation(mount, container, mountsPath.child("mountPropagation")),
      ...validateRecursiveReadOnly(mount, mountsPath.child("recursiveReadOnly")),
    ];
  });
}

function validatePropagation(mount: corev1.VolumeMount, container: ContainerLike, path: FieldPath): FieldError[] {
  if (mount.mountPropagation === undefined) return [];
  if (mount.mountPropagation === "Bidirectional" && container.securityContext?.privileged !== true)
    return [forbidden(path, "Bidirectional mount propagation is available only to privileged containers")];
  return [];
}

function validateRecursiveReadOnly(mount: corev1.VolumeMount, path: FieldPath): FieldError[] {
  const mode = mount.recursiveReadOnly;
  if (mode === undefined || mode === "Disabled") return [];
  const errors: FieldError[] = [];
  if (mount.readOnly !== true) errors.push(forbidden(path, "may only be specified when readOnly is true"));
  if (mount.mountPropagation !== undefined && mount.mountPropagation !== "None")
    errors.push(forbidden(path, "may only be specified when mountPropagation is None or not specified"));
  return errors;
}

export function validateDevices(container: ContainerLike, path: FieldPath, volumes: VolumesByName): FieldError[] {
  const mounts = container.volumeMounts ?? [];
  const paths = new Set<string>();
  const names = new Set<string>();
  return checkEach(container.volumeDevices, path.child("volumeDevices"), (device, at) => {
    const errors: FieldError[] = [];
    const volume = volumes.get(device.name);
    if (!device.name) errors.push(required(at.child("name")));
    if (names.has(device.name)) errors.push(invalid(at.child("name"), device.name, "must be unique"));
    if (volume === undefined) errors.push(notFound(at.child("name"), device.name));
    else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
      errors.push(
        invalid(at.child("name"), device.name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"),
      );
    }
    if (!device.devicePath) errors.push(required(at.child("devicePath")));
    if (paths.has(device.devicePath)) errors.push(invalid(at.child("devicePath"), device.devicePath, "must be unique"));
    if (checkNoBacksteps(device.devicePath ?? "", at).length > 0)
      errors.push(invalid(at.child("devicePath"), device.devicePath, "can not contain backsteps ('..')"));
    if (mounts.some((mount) => mount.name === device.name))
      errors.push(invalid(at.child("name"), device.name, "must not already exist in volumeMounts"));
    if (mounts.some((mount) => mount.mountPath === device.devicePath))
      errors.push(invalid(at.child("devicePath"), device.devicePath, "must not already exist as a path in volumeMounts"));
    paths.add(device.devicePath);
    names.add(device.name);
    return errors;
  });
}
