// PodSandboxConfig of a pod. Upstream: kuberuntime_sandbox.go.

import type { corev1 } from "@lenj/proto/k8s";
import type { DNSSettings } from "../network/resolv-conf.js";
import { labels, podLogDirectory, podName, podNamespace, podUID } from "../pod/identity.js";
import { podSettings } from "../resources/cgroup.js";
import { podCgroup } from "../resources/pod-resources.js";
import { type Draft, namespaceMode, protocolNumber } from "./draft.js";
import type { cri } from "./messages.js";
import { seccompProfile } from "./security-context.js";

export interface SandboxConfigInput {
  readonly pod: corev1.Pod;
  readonly attempt: number;
  readonly dns: DNSSettings;
  /** The kernel's host name of the pod. */
  readonly hostname: string;
  /** Root of the pods' log folders: /var/log/pods. */
  readonly logRoot: string;
  /** Empty when this node manages no cgroups. */
  readonly cgroupRoot: string | undefined;
  readonly pidsMax: number | undefined;
}

export function sandboxConfig(input: SandboxConfigInput): Draft<cri.PodSandboxConfig> {
  const { pod } = input;
  const spec = pod.spec;
  const identity = { namespace: podNamespace(pod), name: podName(pod), uid: podUID(pod) };
  const hostNetwork = spec?.hostNetwork === true;
  return {
    metadata: { ...identity, attempt: input.attempt },
    // A sandbox in the host's network has no name of its own; runtimes refuse to set one.
    hostname: hostNetwork ? "" : input.hostname,
    logDirectory: podLogDirectory(input.logRoot, identity),
    dnsConfig: input.dns,
    portMappings: portMappings(pod),
    labels: {
      ...(pod.metadata?.labels ?? {}),
      [labels.podName]: identity.name,
      [labels.podNamespace]: identity.namespace,
      [labels.podUID]: identity.uid,
    },
    annotations: { ...(pod.metadata?.annotations ?? {}) },
    linux: {
      cgroupParent: input.cgroupRoot === undefined ? "" : `${input.cgroupRoot}${podCgroup(pod)}`,
      securityContext: sandboxSecurity(pod),
      sysctls: Object.fromEntries((spec?.securityContext?.sysctls ?? []).map((sysctl) => [sysctl.name, sysctl.value])),
      ...sandboxResources(pod, input.pidsMax),
    },
  };
}

/** Host ports; in the host's network the containers' own ports are the host's. */
export function portMappings(pod: corev1.Pod): Draft<cri.PortMapping>[] {
  if (pod.spec?.hostNetwork === true) return [];
  const containers = [
    ...(pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === "Always"),
    ...(pod.spec?.containers ?? []),
  ];
  return containers.flatMap((container) =>
    (container.ports ?? [])
      .filter((port) => (port.hostPort ?? 0) > 0)
      .map((port) => ({
        protocol: protocolNumber[port.protocol ?? "TCP"] ?? 0,
        containerPort: port.containerPort,
        hostPort: port.hostPort ?? 0,
        hostIp: port.hostIP ?? "",
      })),
  );
}

function sandboxSecurity(pod: corev1.Pod): Draft<cri.LinuxSandboxSecurityContext> {
  const spec = pod.spec;
  const context = spec?.securityContext;
  const privileged = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].some(
    (container) => container.securityContext?.privileged === true,
  );
  return {
    namespaceOptions: namespaceOptions(pod),
    privileged,
    seccomp: privileged ? undefined : seccompProfile(context?.seccompProfile ?? { type: "RuntimeDefault" }),
    ...(context?.runAsUser === undefined ? {} : { runAsUser: { value: BigInt(context.runAsUser) } }),
    ...(context?.runAsGroup === undefined ? {} : { runAsGroup: { value: BigInt(context.runAsGroup) } }),
    supplementalGroups: supplementalGroups(pod),
  };
}

export function namespaceOptions(pod: corev1.Pod): Draft<cri.NamespaceOption> {
  const spec = pod.spec;
  return {
    network: spec?.hostNetwork === true ? namespaceMode.node : namespaceMode.pod,
    ipc: spec?.hostIPC === true ? namespaceMode.node : namespaceMode.pod,
    pid: spec?.hostPID === true ? namespaceMode.node : spec?.shareProcessNamespace === true ? namespaceMode.pod : namespaceMode.container,
  };
}

/** Groups of every process of the pod: fsGroup makes volumes accessible. */
export function supplementalGroups(pod: corev1.Pod): bigint[] {
  const context = pod.spec?.securityContext;
  const groups = [...(context?.fsGroup === undefined ? [] : [context.fsGroup]), ...(context?.supplementalGroups ?? [])];
  return groups.map((group) => BigInt(group));
}

function sandboxResources(pod: corev1.Pod, pidsMax: number | undefined): Draft<Pick<cri.LinuxPodSandboxConfig, "resources">> {
  const settings = podSettings(pod, pidsMax);
  return {
    resources: {
      cpuShares: BigInt(settings.cpuShares),
      cpuQuota: BigInt(settings.cpuQuotaUs ?? 0),
      cpuPeriod: BigInt(settings.cpuPeriodUs ?? 0),
      memoryLimitInBytes: BigInt(settings.memoryLimitBytes ?? 0),
    },
  };
}
