// Things that are legal and rarely meant. Source: kubernetes pkg/api/pod/warnings.go.
import type { FieldPath } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

export function podTemplateWarnings(template: corev1.PodTemplateSpec | undefined, path: FieldPath): string[] {
  return template?.spec === undefined ? [] : podSpecWarnings(template.spec, path.child("spec"));
}

export function podSpecWarnings(spec: corev1.PodSpec, path: FieldPath): string[] {
  const warnings: string[] = [];
  for (const label of Object.keys(spec.nodeSelector ?? {})) {
    const replacement = deprecatedNodeLabels[label];
    if (replacement !== undefined) warnings.push(`${path.child("nodeSelector").key(label)}: ${replacement}`);
  }
  for (const [position, volume] of (spec.volumes ?? []).entries())
    warnings.push(...volumeWarnings(volume, path.child("volumes").index(position)));
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    warnings.push(`${path.child("terminationGracePeriodSeconds")}: must be >= 0; negative values are invalid and will be treated as 1`);
  for (const field of ["initContainers", "containers"] as const) {
    for (const [position, container] of (spec[field] ?? []).entries())
      warnings.push(...containerWarnings(container, path.child(field).index(position)));
  }
  return [...warnings, ...duplicatePortWarnings(spec, path)];
}

const deprecatedNodeLabels: Readonly<Record<string, string>> = {
  "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
  "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
};

function volumeWarnings(volume: corev1.Volume, path: FieldPath): string[] {
  if (volume.gitRepo !== undefined) return [`${path.child("gitRepo")}: deprecated in v1.11`];
  if (volume.scaleIO !== undefined) return [`${path.child("scaleIO")}: deprecated in v1.16, non-functional in v1.22+`];
  if (volume.flocker !== undefined) return [`${path.child("flocker")}: deprecated in v1.22, non-functional in v1.25+`];
  if (volume.storageos !== undefined) return [`${path.child("storageos")}: deprecated in v1.22, non-functional in v1.25+`];
  if (volume.quobyte !== undefined) return [`${path.child("quobyte")}: deprecated in v1.22, non-functional in v1.25+`];
  if (volume.glusterfs !== undefined) return [`${path.child("glusterfs")}: deprecated in v1.25, non-functional in v1.26+`];
  if (volume.cephfs !== undefined) return [`${path.child("cephfs")}: deprecated in v1.28, non-functional in v1.31+`];
  if (volume.rbd !== undefined) return [`${path.child("rbd")}: deprecated in v1.28, non-functional in v1.31+`];
  return [];
}

function containerWarnings(container: corev1.Container, path: FieldPath): string[] {
  const warnings: string[] = [];
  const seen = new Set<string>();
  for (const [position, variable] of (container.env ?? []).entries()) {
    if (seen.has(variable.name))
      warnings.push(
        `${path.child("env").index(position)}: hides previous definition of "${variable.name}", which may be dropped when using apply`,
      );
    seen.add(variable.name);
  }
  return warnings;
}

/** The same port twice: legal, but apply merges ports by number and would drop one. */
function duplicatePortWarnings(spec: corev1.PodSpec, path: FieldPath): string[] {
  const first = new Map<string, string>();
  const warnings: string[] = [];
  for (const [position, container] of (spec.containers ?? []).entries()) {
    for (const [index, port] of (container.ports ?? []).entries()) {
      const at = `${path.child("containers").index(position).child("ports").index(index)}`;
      const key = `${position}/${port.containerPort}/${port.protocol ?? "TCP"}`;
      const earlier = first.get(key);
      if (earlier !== undefined && !port.hostPort) warnings.push(`${at}: duplicate port definition with ${earlier}`);
      else first.set(key, at);
    }
  }
  return warnings;
}
