import type { corev1 } from "@lenj/proto/k8s";
import { roundResourceList } from "../pod-spec/defaults.js";

export function setClaimDefaults(claim: corev1.PersistentVolumeClaim): void {
  claim.status ??= {};
  claim.status.phase ||= "Pending";
  const { spec } = claim;
  if (spec === undefined) return;
  spec.volumeMode ??= "Filesystem";
  spec.resources ??= {};
  roundResourceList(spec.resources.requests);
  roundResourceList(spec.resources.limits);
  // Two names of one field, of which the older holds local references only.
  if (spec.dataSource !== undefined && spec.dataSourceRef === undefined) spec.dataSourceRef = { ...spec.dataSource };
  else if (spec.dataSource === undefined && spec.dataSourceRef !== undefined && !spec.dataSourceRef.namespace) {
    const { apiGroup, kind, name } = spec.dataSourceRef;
    spec.dataSource = { apiGroup, kind, name };
  }
}
