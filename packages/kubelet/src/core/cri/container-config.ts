// ContainerConfig of a container. Upstream: kuberuntime_container.go generateContainerConfig, labels.go.
import type { corev1 } from "@lenj/proto/k8s";
import { expand } from "../env/expand.js";
import { annotations, hashContainer, labels, podName, podNamespace, podUID } from "../pod/identity.js";
import { containerSettings, oomScoreAdj } from "../resources/cgroup.js";
import type { Draft } from "./draft.js";
import type { cri } from "./messages.js";
import { containerSecurity, type ImageUser } from "./security-context.js";

export interface ContainerConfigInput {
  readonly pod: corev1.Pod;
  readonly container: corev1.Container;
  /** How often this container was started before. */
  readonly attempt: number;
  /** The pulled image: its ID, and the user it runs as. */
  readonly imageID: string;
  readonly imageUser: ImageUser;
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: readonly Draft<cri.Mount>[];
  readonly devices: readonly Draft<cri.Device>[];
  /** Container whose processes an ephemeral container is to see. */
  readonly targetID: string | undefined;
  readonly memoryCapacityBytes: number;
}

/** Path of the log file under the pod's log folder. */
export function containerLogPath(name: string, attempt: number): string {
  return `${name}/${attempt}.log`;
}

export function containerConfig(input: ContainerConfigInput): Draft<cri.ContainerConfig> {
  const { pod, container } = input;
  const lookup = (name: string): string | undefined => input.environment.get(name);
  const settings = containerSettings(container);
  return {
    metadata: { name: container.name, attempt: input.attempt },
    image: { image: input.imageID, userSpecifiedImage: container.image ?? "" },
    command: (container.command ?? []).map((word) => expand(word, lookup)),
    args: (container.args ?? []).map((word) => expand(word, lookup)),
    workingDir: container.workingDir ?? "",
    envs: [...input.environment].map(([key, value]) => ({ key, value })),
    mounts: input.mounts,
    devices: input.devices,
    labels: {
      [labels.podName]: podName(pod),
      [labels.podNamespace]: podNamespace(pod),
      [labels.podUID]: podUID(pod),
      [labels.containerName]: container.name,
    },
    annotations: containerAnnotations(pod, container, input.attempt),
    logPath: containerLogPath(container.name, input.attempt),
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    linux: {
      resources: {
        cpuShares: BigInt(settings.cpuShares),
        cpuQuota: BigInt(settings.cpuQuotaUs ?? 0),
        cpuPeriod: BigInt(settings.cpuPeriodUs ?? 0),
        memoryLimitInBytes: BigInt(settings.memoryLimitBytes ?? 0),
        oomScoreAdj: BigInt(oomScoreAdj(pod, container, input.memoryCapacityBytes)),
      },
      securityContext: containerSecurity(pod, container, input.imageUser, input.targetID),
    },
  };
}

// What a restarted kubelet, or one that meets a pod it never saw, reads back.
function containerAnnotations(pod: corev1.Pod, container: corev1.Container, attempt: number): Record<string, string> {
  const grace = pod.spec?.terminationGracePeriodSeconds;
  const deletionGrace = pod.metadata?.deletionGracePeriodSeconds;
  return {
    [annotations.containerHash]: hashContainer(container),
    [annotations.restartCount]: String(attempt),
    [annotations.terminationMessagePath]: container.terminationMessagePath ?? "/dev/termination-log",
    [annotations.terminationMessagePolicy]: container.terminationMessagePolicy ?? "File",
    ...(grace === undefined ? {} : { [annotations.podTerminationGracePeriod]: String(grace) }),
    ...(deletionGrace === undefined ? {} : { [annotations.podDeletionGracePeriod]: String(deletionGrace) }),
    ...(container.lifecycle?.preStop === undefined
      ? {}
      : { [annotations.preStopHandler]: JSON.stringify({ preStop: container.lifecycle.preStop }) }),
    ...((container.ports ?? []).length === 0 ? {} : { [annotations.ports]: JSON.stringify(container.ports) }),
  };
}
