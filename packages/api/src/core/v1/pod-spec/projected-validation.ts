// Projected volumes. Source: kubernetes pkg/apis/core/validation (validateProjectionSources).
import { type FieldError, type FieldPath, forbidden, invalid, required } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkEach, checkLocalNonReservedPath, checkRequired } from "../../../validation/checks.js";
import { validateDownwardFile, validateKeyToPath, validateMode } from "./volume-validation.js";

const tokenSecondsMin = 600;
const tokenSecondsMax = 2 ** 32;

export function validateProjected(volume: corev1.ProjectedVolumeSource, path: FieldPath): FieldError[] {
  const taken = new Set<string>();
  /** Files of all sources share one directory. */
  const claim = (file: string | undefined, shown: string): FieldError[] => {
    if (!file) return [];
    if (taken.has(file)) return [invalid(path, shown, "conflicting duplicate paths")];
    taken.add(file);
    return [];
  };
  const sources = checkEach(volume.sources, path.child("sources"), (source, at) => {
    const errors: FieldError[] = [];
    for (const kind of ["secret", "configMap"] as const) {
      const projection = source[kind];
      if (projection === undefined) continue;
      const where = at.child(kind);
      errors.push(...checkRequired(projection.name, where.child("name")));
      errors.push(
        ...checkEach(projection.items, where.child("items"), (item, itemPath) => [
          ...validateKeyToPath(item, itemPath),
          ...claim(item.path, projection.name ?? ""),
        ]),
      );
    }
    for (const file of source.downwardAPI?.items ?? [])
      errors.push(...validateDownwardFile(file, at.child("downwardAPI")), ...claim(file.path, file.path));
    if (source.serviceAccountToken !== undefined)
      errors.push(...validateToken(source.serviceAccountToken, at.child("serviceAccountToken"), path));
    const bundle = source.clusterTrustBundle;
    if (bundle !== undefined)
      errors.push(...validateTrustBundle(bundle, at.child("clusterTrustBundle")), ...claim(bundle.path, bundle.path));
    const kinds = [source.secret, source.configMap, source.downwardAPI, source.serviceAccountToken, bundle].filter(
      (kind) => kind !== undefined,
    ).length;
    if (kinds > 1) errors.push(forbidden(at, "may not specify more than 1 volume type per source"));
    return errors;
  });
  return [...validateMode(volume.defaultMode, path.child("defaultMode")), ...sources];
}

function validateToken(token: corev1.ServiceAccountTokenProjection, path: FieldPath, volumePath: FieldPath): FieldError[] {
  const seconds = token.expirationSeconds ?? 0;
  const at = path.child("expirationSeconds");
  const errors: FieldError[] = [];
  if (seconds < tokenSecondsMin) errors.push(invalid(at, seconds, "may not specify a duration less than 10 minutes"));
  if (seconds > tokenSecondsMax) errors.push(invalid(at, seconds, "may not specify a duration larger than 2^32 seconds"));
  // Upstream reports the path on the volume.
  return [
    ...errors,
    ...(token.path ? checkLocalNonReservedPath(token.path, volumePath.child("path")) : [required(volumePath.child("path"))]),
  ];
}

function validateTrustBundle(bundle: corev1.ClusterTrustBundleProjection, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (bundle.name !== undefined && bundle.signerName !== undefined)
    errors.push(invalid(path, bundle, "only one of name and signerName may be used"));
  else if (bundle.name !== undefined) {
    if (bundle.name === "") errors.push(required(path.child("name"), "must be a valid object name"));
    if (bundle.labelSelector !== undefined)
      errors.push(invalid(path.child("labelSelector"), bundle.labelSelector, "labelSelector must be unset if name is specified"));
  } else if (bundle.signerName !== undefined) {
    if (bundle.signerName === "") errors.push(required(path.child("signerName"), "must be a valid signer name"));
  } else errors.push(required(path, "either name or signerName must be specified"));
  return [
    ...errors,
    ...checkRequired(bundle.path, path.child("path")),
    ...checkLocalNonReservedPath(bundle.path ?? "", path.child("path")),
  ];
}
