// Security settings of a container from the pod's and its own. Upstream: kuberuntime/security_context.go, pkg/securitycontext.
import type { corev1 } from "@lenj/proto/k8s";
import { KubeletCoreError } from "../errors.js";
import { type Draft, namespaceMode, seccompProfileType } from "./draft.js";
import type { cri } from "./messages.js";
import { namespaceOptions, supplementalGroups } from "./sandbox-config.js";

const maskedPaths = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** Whose user an image runs as by default: a number, or a name that only the image knows. */
export interface ImageUser {
  readonly uid: number | undefined;
  readonly username: string;
}

/** `targetID`: container whose processes an ephemeral container is to see. */
export function containerSecurity(
  pod: corev1.Pod,
  container: corev1.Container,
  image: ImageUser,
  targetID: string | undefined,
): Draft<cri.LinuxContainerSecurityContext> {
  const own = container.securityContext ?? {};
  const shared = pod.spec?.securityContext ?? {};
  const uid = own.runAsUser ?? shared.runAsUser ?? image.uid;
  const username = uid === undefined ? image.username : "";
  verifyNonRoot(pod, container, uid, username);
  const gid = own.runAsGroup ?? shared.runAsGroup;
  const privileged = own.privileged === true;
  const unmasked = privileged || own.procMount === "Unmasked";
  const profile = own.seccompProfile ?? shared.seccompProfile;
  const options = namespaceOptions(pod);
  return {
    privileged,
    namespaceOptions: targetID === undefined ? options : { ...options, pid: namespaceMode.target, targetId: targetID },
    ...(uid === undefined ? {} : { runAsUser: { value: BigInt(uid) } }),
    ...(username === "" ? {} : { runAsUsername: username }),
    ...(gid === undefined ? {} : { runAsGroup: { value: BigInt(gid) } }),
    supplementalGroups: supplementalGroups(pod),
    supplementalGroupsPolicy: shared.supplementalGroupsPolicy === "Strict" ? 1 : 0,
    capabilities: { addCapabilities: own.capabilities?.add ?? [], dropCapabilities: own.capabilities?.drop ?? [] },
    readonlyRootfs: own.readOnlyRootFilesystem === true,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : maskedPaths,
    readonlyPaths: unmasked ? [] : readonlyPaths,
    // Unset means Unconfined, as it always has; a node may default to RuntimeDefault by flag, which the lab does not.
    seccomp: privileged ? undefined : seccompProfile(profile ?? { type: "Unconfined" }),
    apparmor: apparmorProfile(own.appArmorProfile ?? shared.appArmorProfile),
  };
}

export function seccompProfile(profile: corev1.SeccompProfile): Draft<cri.SecurityProfile> {
  switch (profile.type) {
    case "RuntimeDefault":
      return { profileType: seccompProfileType.runtimeDefault };
    case "Localhost":
      return { profileType: seccompProfileType.localhost, localhostRef: profile.localhostProfile ?? "" };
    default:
      return { profileType: seccompProfileType.unconfined };
  }
}

function apparmorProfile(profile: corev1.AppArmorProfile | undefined): Draft<cri.SecurityProfile> | undefined {
  if (profile === undefined) return undefined;
  if (profile.type === "Localhost") return { profileType: seccompProfileType.localhost, localhostRef: profile.localhostProfile ?? "" };
  return { profileType: profile.type === "RuntimeDefault" ? seccompProfileType.runtimeDefault : seccompProfileType.unconfined };
}

function verifyNonRoot(pod: corev1.Pod, container: corev1.Container, uid: number | undefined, username: string): void {
  const nonRoot = container.securityContext?.runAsNonRoot ?? pod.spec?.securityContext?.runAsNonRoot;
  if (nonRoot !== true) return;
  const where = `(pod: ${JSON.stringify(`${pod.metadata?.name}_${pod.metadata?.namespace}(${pod.metadata?.uid})`)}, container: ${container.name})`;
  const asked = container.securityContext?.runAsUser ?? pod.spec?.securityContext?.runAsUser;
  if (asked === 0) throw new KubeletCoreError("CONFIG", `container's runAsUser breaks non-root policy ${where}`);
  if (asked !== undefined) return;
  if (uid === 0 || (uid === undefined && username === ""))
    throw new KubeletCoreError("CONFIG", `container has runAsNonRoot and image will run as root ${where}`);
  if (username !== "")
    throw new KubeletCoreError(
      "CONFIG",
      `container has runAsNonRoot and image has non-numeric user (${username}), cannot verify user is non-root ${where}`,
    );
}
