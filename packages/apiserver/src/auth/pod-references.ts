// What a pod's spec names of other API objects: those that its node must be able to read.
// Source: pkg/api/pod/util.go VisitPodSecretNames, VisitPodConfigmapNames, HasAPIObjectReference.
import type { corev1 } from "@lenj/proto/k8s";

export type ReferencedResource = "secrets" | "configmaps" | "persistentvolumeclaims" | "serviceaccounts" | "resourceclaims";

/** Calls `found` for every reference of the pod, all in the pod's namespace. The same one may be named more than once. */
export function visitReferences(pod: corev1.Pod, found: (resource: ReferencedResource, name: string) => void): void {
  const add = (resource: ReferencedResource, name: string | undefined): void => {
    if (name !== undefined && name !== "") found(resource, name);
  };
  const { spec } = pod;
  add("serviceaccounts", spec?.serviceAccountName);
  for (const reference of spec?.imagePullSecrets ?? []) add("secrets", reference.name);
  for (const container of [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])])
    visitEnvironment(container, add);
  for (const volume of spec?.volumes ?? []) visitVolume(pod, volume, add);
  const claimStatuses = pod.status?.resourceClaimStatuses ?? [];
  for (const claim of spec?.resourceClaims ?? [])
    add("resourceclaims", claim.resourceClaimName ?? claimStatuses.find(({ name }) => name === claim.name)?.resourceClaimName);
}

type Add = (resource: ReferencedResource, name: string | undefined) => void;

function visitEnvironment(container: Pick<corev1.Container, "env" | "envFrom">, add: Add): void {
  for (const source of container.envFrom ?? []) {
    add("secrets", source.secretRef?.name);
    add("configmaps", source.configMapRef?.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    add("secrets", valueFrom?.secretKeyRef?.name);
    add("configmaps", valueFrom?.configMapKeyRef?.name);
  }
}

function visitVolume(pod: corev1.Pod, volume: corev1.Volume, add: Add): void {
  add("secrets", volume.secret?.secretName);
  add("configmaps", volume.configMap?.name);
  add("persistentvolumeclaims", volume.persistentVolumeClaim?.claimName);
  if (volume.ephemeral !== undefined) add("persistentvolumeclaims", `${pod.metadata?.name}-${volume.name}`);
  add("secrets", volume.azureFile?.secretName);
  for (const source of [volume.cephfs, volume.cinder, volume.flexVolume, volume.rbd, volume.scaleIO, volume.iscsi, volume.storageos])
    add("secrets", source?.secretRef?.name);
  add("secrets", volume.csi?.nodePublishSecretRef?.name);
  for (const source of volume.projected?.sources ?? []) {
    add("secrets", source.secret?.name);
    add("configmaps", source.configMap?.name);
  }
}

/** Plural of the first sort of object that the pod names; undefined when it names none. What projected tokens name counts. */
export function firstReferencedResource(pod: corev1.Pod): string | undefined {
  const seen = new Set<string>();
  visitReferences(pod, (resource) => seen.add(resource));
  if ((pod.spec?.resourceClaims ?? []).length > 0) seen.add("resourceclaims");
  for (const source of (pod.spec?.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? [])) {
    if (source.serviceAccountToken !== undefined) seen.add("serviceaccounts");
    if (source.clusterTrustBundle !== undefined) seen.add("clustertrustbundles");
    if (source.podCertificate !== undefined) seen.add("podcertificates");
  }
  if ((pod.spec?.volumes ?? []).some((volume) => volume.csi !== undefined)) seen.add("csidrivers");
  if ((pod.spec?.volumes ?? []).some((volume) => volume.glusterfs !== undefined)) seen.add("endpoints");
  const order = ["serviceaccounts", "secrets", "configmaps", "resourceclaims", "persistentvolumeclaims"];
  return order.find((resource) => seen.has(resource)) ?? [...seen][0];
}

/** Secrets of a persistent volume that the node itself uses, as [namespace, name]. Source: pkg/api/v1/persistentvolume/util.go. */
export function volumeSecrets(volume: corev1.PersistentVolume): [namespace: string, name: string][] {
  const { spec } = volume;
  const claimNamespace = spec?.claimRef?.namespace ?? "";
  const secrets: [string, string][] = [];
  const add = (reference: { readonly name?: string | undefined; readonly namespace?: string | undefined } | undefined): void => {
    if (reference?.name) secrets.push([reference.namespace || claimNamespace, reference.name]);
  };
  if (spec?.azureFile !== undefined) add({ name: spec.azureFile.secretName, namespace: spec.azureFile.secretNamespace });
  for (const source of [spec?.cephfs, spec?.cinder, spec?.flexVolume, spec?.rbd, spec?.scaleIO, spec?.iscsi, spec?.storageos])
    add(source?.secretRef);
  for (const reference of [spec?.csi?.nodeStageSecretRef, spec?.csi?.nodePublishSecretRef, spec?.csi?.nodeExpandSecretRef]) add(reference);
  return secrets;
}
