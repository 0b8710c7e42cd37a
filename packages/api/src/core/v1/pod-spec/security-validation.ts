// Security contexts. Source: kubernetes pkg/apis/core/validation (ValidateSecurityContext, validatePodSpecSecurityContext).
import { duplicate, type FieldError, type FieldPath, invalid, notSupported, required } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkEach, checkLocalDescendingPath, checkOptionalOneOf, checkRange } from "../../../validation/checks.js";

const idMax = 2 ** 31 - 1;

export function validatePodSecurityContext(spec: corev1.PodSpec, path: FieldPath): FieldError[] {
  const context = spec.securityContext ?? {};
  const at = path.child("securityContext");
  const errors = [
    ...checkRange(context.fsGroup, at.child("fsGroup"), 0, idMax),
    ...checkRange(context.runAsUser, at.child("runAsUser"), 0, idMax),
    ...checkRange(context.runAsGroup, at.child("runAsGroup"), 0, idMax),
    ...checkEach(context.supplementalGroups, at.child("supplementalGroups"), (group, where) => checkRange(group, where, 0, idMax)),
  ];
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    errors.push(invalid(at.child("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled"));
  }
  return [
    ...errors,
    ...validateSysctls(spec, context.sysctls, at.child("sysctls")),
    ...checkOptionalOneOf(context.fsGroupChangePolicy, at.child("fsGroupChangePolicy"), ["Always", "OnRootMismatch"]),
    ...validateSeccomp(context.seccompProfile, at.child("seccompProfile")),
    ...validateAppArmor(context.appArmorProfile, at.child("appArmorProfile")),
    ...checkOptionalOneOf(context.supplementalGroupsPolicy, at.child("supplementalGroupsPolicy"), ["Merge", "Strict"]),
    ...checkOptionalOneOf(context.seLinuxChangePolicy, at.child("seLinuxChangePolicy"), ["MountOption", "Recursive"]),
  ];
}

const sysctlSource = "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
const sysctlPattern = new RegExp(`^${sysctlSource}$`);

function validateSysctls(spec: corev1.PodSpec, sysctls: readonly corev1.Sysctl[] | undefined, path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  return checkEach(sysctls, path, ({ name }, position) => {
    const at = position.child("name");
    const errors: FieldError[] = [];
    if (!name) errors.push(required(at));
    else if (name.length > 253 || !sysctlPattern.test(name))
      errors.push(invalid(at, name, `must have at most 253 characters and match regex ^${sysctlSource}$`));
    else if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    const normal = (name ?? "").replaceAll("/", ".");
    if (spec.hostNetwork === true && normal.startsWith("net."))
      errors.push(invalid(at, name, "may not be specified when 'hostNetwork' is true"));
    if (spec.hostIPC === true && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(normal))
      errors.push(invalid(at, name, "may not be specified when 'hostIPC' is true"));
    return errors;
  });
}

export function validateContainerSecurityContext(
  context: corev1.SecurityContext | undefined,
  path: FieldPath,
  hostUsers: boolean,
): FieldError[] {
  if (context === undefined) return [];
  const errors = [
    ...checkRange(context.runAsUser, path.child("runAsUser"), 0, idMax),
    ...checkRange(context.runAsGroup, path.child("runAsGroup"), 0, idMax),
  ];
  if (context.procMount !== undefined) {
    if (context.procMount !== "Default" && context.procMount !== "Unmasked")
      errors.push(notSupported(path.child("procMount"), context.procMount, ["Default", "Unmasked"]));
    if (hostUsers && context.procMount === "Unmasked")
      errors.push(invalid(path.child("procMount"), context.procMount, "`hostUsers` must be false to use `Unmasked`"));
  }
  errors.push(...validateSeccomp(context.seccompProfile, path.child("seccompProfile")));
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged === true)
      errors.push(invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
    if (context.capabilities?.add?.includes("CAP_SYS_ADMIN"))
      errors.push(invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"));
  }
  return [...errors, ...validateAppArmor(context.appArmorProfile, path.child("appArmorProfile"))];
}

const profileTypes = ["Localhost", "RuntimeDefault", "Unconfined"];

function validateSeccomp(profile: corev1.SeccompProfile | undefined, path: FieldPath): FieldError[] {
  if (profile === undefined) return [];
  const errors = checkOptionalOneOf(profile.type ?? "", path.child("type"), profileTypes);
  const at = path.child("localhostProfile");
  if (profile.type !== "Localhost")
    return profile.localhostProfile === undefined
      ? errors
      : [...errors, invalid(at, profile, "can only be set when seccomp type is Localhost")];
  if (profile.localhostProfile === undefined) return [...errors, required(at, "must be set when seccomp type is Localhost")];
  return [...errors, ...checkLocalDescendingPath(profile.localhostProfile, at)];
}

function validateAppArmor(profile: corev1.AppArmorProfile | undefined, path: FieldPath): FieldError[] {
  if (profile === undefined) return [];
  const at = path.child("localhostProfile");
  if (!profile.type) return [required(path.child("type"), "type is required when appArmorProfile is set")];
  const errors = checkOptionalOneOf(profile.type, path.child("type"), profileTypes);
  if (profile.type !== "Localhost")
    return profile.localhostProfile === undefined
      ? errors
      : [...errors, invalid(at, profile.localhostProfile, "can only be set when AppArmor type is Localhost")];
  if (profile.localhostProfile === undefined) return [...errors, required(at, "must be set when AppArmor type is Localhost")];
  if (profile.localhostProfile.trim() !== profile.localhostProfile)
    errors.push(invalid(at, profile.localhostProfile, "must not be padded with whitespace"));
  else if (profile.localhostProfile === "") errors.push(required(at, "must be set when AppArmor type is Localhost"));
  return errors;
}
