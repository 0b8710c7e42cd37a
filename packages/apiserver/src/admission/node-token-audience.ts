// Whether a pod's volumes give a reason to ask for a token with a certain audience. Source: noderestriction podReferencesAudience.
import type { corev1, storagev1 } from "@lenj/proto/k8s";
import type { KubeObject, ObjectReader } from "../auth/ports.js";

type Pod = KubeObject & corev1.Pod;

/** `audience` is "" for the API server's own. */
export function podUsesAudience(reader: ObjectReader, pod: Pod, audience: string): boolean {
  return (pod.spec?.volumes ?? []).some((volume) => {
    const sources = volume.projected?.sources ?? [];
    if (sources.some(({ serviceAccountToken }) => serviceAccountToken !== undefined && (serviceAccountToken.audience ?? "") === audience))
      return true;
    const driver = driverOf(reader, pod, volume);
    if (driver === undefined) return false;
    const found = reader.get<KubeObject & storagev1.CSIDriver>({ group: "storage.k8s.io", resource: "csidrivers" }, undefined, driver);
    return (found?.spec?.tokenRequests ?? []).some((request) => (request.audience ?? "") === audience);
  });
}

function driverOf(reader: ObjectReader, pod: Pod, volume: corev1.Volume): string | undefined {
  if (volume.csi !== undefined) return volume.csi.driver;
  const ephemeral = volume.ephemeral === undefined ? undefined : `${pod.metadata?.name}-${volume.name}`;
  const claimName = volume.persistentVolumeClaim?.claimName ?? ephemeral;
  if (claimName === undefined) return undefined;
  const claims = { group: "", resource: "persistentvolumeclaims" };
  const claim = reader.get<KubeObject & corev1.PersistentVolumeClaim>(claims, pod.metadata?.namespace, claimName);
  if (claim?.spec?.volumeName === undefined) return undefined;
  const volumes = { group: "", resource: "persistentvolumes" };
  return reader.get<KubeObject & corev1.PersistentVolume>(volumes, undefined, claim.spec.volumeName)?.spec?.csi?.driver;
}
