import type { EventRecorder } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import { isStaticPod } from "../../core/pod/identity.js";

/** Events about pods and their containers, in upstream's form. */
export class PodEvents {
  constructor(
    readonly recorder: EventRecorder,
    /** UID of the mirror of a static pod: people look at the mirror. */
    readonly mirrorUID: (pod: corev1.Pod) => string | undefined,
  ) {}

  record(pod: corev1.Pod, type: "Normal" | "Warning", reason: string, message: string, containerName?: string): void {
    const fieldPath = containerName === undefined ? undefined : fieldPathOf(pod, containerName);
    const uid = isStaticPod(pod) ? this.mirrorUID(pod) : pod.metadata?.uid;
    this.recorder.event(
      {
        apiVersion: "v1",
        kind: "Pod",
        namespace: pod.metadata?.namespace ?? "default",
        name: pod.metadata?.name ?? "",
        ...(uid === undefined ? {} : { uid }),
        ...(pod.metadata?.resourceVersion === undefined ? {} : { resourceVersion: pod.metadata.resourceVersion }),
        ...(fieldPath === undefined ? {} : { fieldPath }),
      },
      type,
      reason,
      message,
    );
  }
}

function fieldPathOf(pod: corev1.Pod, name: string): string {
  if ((pod.spec?.initContainers ?? []).some((container) => container.name === name)) return `spec.initContainers{${name}}`;
  if ((pod.spec?.ephemeralContainers ?? []).some((container) => container.name === name)) return `spec.ephemeralContainers{${name}}`;
  return `spec.containers{${name}}`;
}
