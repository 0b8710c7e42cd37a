// Creating, deleting and claiming pods on behalf of an owner, with the events upstream writes about it.
// Source: pkg/controller/controller_utils.go RealPodControl.
import {
  type ApiClient,
  type EventRecorder,
  isApiError,
  isNamespaceTerminating,
  isNotFound,
  type KubeObject,
  referenceTo,
  resources,
} from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import { controllerReference, type OwnerKind } from "../core/owner.js";

/** Names are cut so that the random suffix fits. */
const GENERATE_NAME_MAX = 63 - 5;

export class PodControl {
  constructor(
    readonly client: ApiClient,
    readonly recorder: EventRecorder,
    readonly ownerKind: OwnerKind,
  ) {}

  /** Throws what the api-server answered, after recording it. A namespace that is going away is not worth an event. */
  async create(owner: KubeObject, template: corev1.PodTemplateSpec, signal: AbortSignal): Promise<corev1.Pod> {
    const pod = podFromTemplate(owner, template, this.ownerKind);
    try {
      const made = await this.client.create<corev1.Pod>(resources.pods, pod, { signal });
      this.recorder.event(referenceTo(owner, this.ownerKind), "Normal", "SuccessfulCreate", `Created pod: ${made.metadata?.name ?? ""}`);
      return made;
    } catch (error) {
      if (!isNamespaceTerminating(error) && isApiError(error)) {
        this.recorder.event(referenceTo(owner, this.ownerKind), "Warning", "FailedCreate", `Error creating: ${error.message}`);
      }
      throw error;
    }
  }

  /** A pod that is gone already counts as deleted. */
  async delete(owner: KubeObject, pod: corev1.Pod, signal: AbortSignal): Promise<void> {
    const key = { name: pod.metadata?.name ?? "", ...(pod.metadata?.namespace !== undefined && { namespace: pod.metadata.namespace }) };
    try {
      await this.client.delete(resources.pods, key, { ...uidPrecondition(pod), signal });
      this.recorder.event(referenceTo(owner, this.ownerKind), "Normal", "SuccessfulDelete", `Deleted pod: ${key.name}`);
    } catch (error) {
      if (isNotFound(error)) return;
      if (isApiError(error))
        this.recorder.event(referenceTo(owner, this.ownerKind), "Warning", "FailedDelete", `Error deleting: ${error.message}`);
      throw error;
    }
  }
}

/** What `uid` a delete or patch must meet, so that a namesake made later is spared. */
export function uidPrecondition(object: KubeObject): { readonly preconditions?: { readonly uid: string } } {
  const uid = object.metadata?.uid;
  return uid === undefined ? {} : { preconditions: { uid } };
}

function podFromTemplate(owner: KubeObject, template: corev1.PodTemplateSpec, kind: OwnerKind): corev1.Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const { namespace, name = "" } = owner.metadata ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: `${name.slice(0, GENERATE_NAME_MAX - 1)}-`,
      ...(namespace !== undefined && { namespace }),
      ...(labels !== undefined && { labels }),
      ...(annotations !== undefined && { annotations }),
      ...(finalizers !== undefined && { finalizers }),
      ownerReferences: [controllerReference(owner, kind)],
    },
    ...(template.spec !== undefined && { spec: template.spec }),
  };
}
