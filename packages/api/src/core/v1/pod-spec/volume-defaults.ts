// Defaults of volumes. Source: kubernetes pkg/apis/core/v1/defaults.go.
import type { corev1 } from "@lenj/proto/k8s";
import { defaultPullPolicy } from "./defaults.js";

const modeOfFiles = 0o644;

export function setVolumeDefaults(volume: corev1.Volume): void {
  const sources = Object.entries(volume).filter(([key, value]) => key !== "name" && value !== undefined && value !== null);
  if (sources.length === 0) volume.emptyDir = {};
  if (volume.hostPath !== undefined) volume.hostPath.type ??= "";
  if (volume.secret !== undefined) volume.secret.defaultMode ??= modeOfFiles;
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= modeOfFiles;
  if (volume.downwardAPI !== undefined) {
    volume.downwardAPI.defaultMode ??= modeOfFiles;
    setDownwardDefaults(volume.downwardAPI.items);
  }
  if (volume.projected !== undefined) setProjectedDefaults(volume.projected);
  if (volume.ephemeral?.volumeClaimTemplate?.spec !== undefined) volume.ephemeral.volumeClaimTemplate.spec.volumeMode ??= "Filesystem";
  if (volume.image !== undefined) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference);
  setStorageSystemDefaults(volume);
}

/** Systems that persistent volumes can name too. */
export function setStorageSystemDefaults(
  source: Pick<corev1.VolumeSource, "iscsi" | "azureDisk"> & {
    rbd?: corev1.RBDVolumeSource | corev1.RBDPersistentVolumeSource | undefined;
    scaleIO?: corev1.ScaleIOVolumeSource | corev1.ScaleIOPersistentVolumeSource | undefined;
  },
): void {
  if (source.iscsi !== undefined) source.iscsi.iscsiInterface ||= "default";
  if (source.rbd !== undefined) {
    source.rbd.pool ||= "rbd";
    source.rbd.user ||= "admin";
    source.rbd.keyring ||= "/etc/ceph/keyring";
  }
  if (source.azureDisk !== undefined) {
    source.azureDisk.cachingMode ??= "ReadWrite";
    source.azureDisk.kind ??= "Shared";
    source.azureDisk.fsType ??= "ext4";
    source.azureDisk.readOnly ??= false;
  }
  if (source.scaleIO !== undefined) {
    source.scaleIO.storageMode ||= "ThinProvisioned";
    source.scaleIO.fsType ||= "xfs";
  }
}

function setDownwardDefaults(items: readonly corev1.DownwardAPIVolumeFile[] | undefined): void {
  for (const item of items ?? []) if (item.fieldRef !== undefined) item.fieldRef.apiVersion ||= "v1";
}

function setProjectedDefaults(projected: corev1.ProjectedVolumeSource): void {
  projected.defaultMode ??= modeOfFiles;
  for (const source of projected.sources ?? []) {
    setDownwardDefaults(source.downwardAPI?.items);
    if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= 3600;
  }
}
