// Which API objects belong to which node: through the pods that are bound to it, and the volumes that their claims are bound to.
//
// Owns:  the edges, kept as objects change.
// G1. A mirror pod belongs to its node and gives it nothing else: a node makes those itself.
// G2. An object belongs to a node exactly as long as something that is still there says so.
// Source: plugin/pkg/auth/authorizer/node/graph.go.
import type { corev1, resourcev1, storagev1 } from "@lenj/proto/k8s";
import { visitReferences, volumeSecrets } from "./pod-references.js";
import type { KubeObject, ObjectReader } from "./ports.js";

type Pod = KubeObject & corev1.Pod;
type Volume = KubeObject & corev1.PersistentVolume;

export const mirrorAnnotation = "kubernetes.io/config.mirror";

export class NodeGraph {
  /** Node, then object, then how many of the node's pods name it. */
  readonly #uses = new Map<string, Map<string, number>>();
  /** Claim of each bound volume. */
  readonly #claimOfVolume = new Map<string, string>();
  /** Volumes that use a secret. */
  readonly #volumesOfSecret = new Map<string, Set<string>>();
  /** Node of each attachment and resource slice. */
  readonly #nodeOf = new Map<string, string>();
  readonly #stop: (() => void)[];

  constructor(reader: ObjectReader) {
    this.#stop = [
      reader.observe<Pod>({ group: "", resource: "pods" }, (before, after) => {
        if (after !== undefined) this.#count(after, 1);
        if (before !== undefined) this.#count(before, -1);
      }),
      reader.observe<Volume>({ group: "", resource: "persistentvolumes" }, (before, after) => {
        if (before !== undefined) this.#dropVolume(before);
        if (after !== undefined) this.#addVolume(after);
      }),
      reader.observe<KubeObject & storagev1.VolumeAttachment>({ group: "storage.k8s.io", resource: "volumeattachments" }, (before, after) =>
        this.#place(vertex("volumeattachments", "", nameOf(after ?? before)), after?.spec?.nodeName),
      ),
      reader.observe<KubeObject & resourcev1.ResourceSlice>({ group: "resource.k8s.io", resource: "resourceslices" }, (before, after) =>
        this.#place(vertex("resourceslices", "", nameOf(after ?? before)), after?.spec?.nodeName),
      ),
    ];
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  /** Whether the object is the node's business. `namespace` is empty for cluster-scoped resources. */
  isRelated(node: string, resource: string, namespace: string, name: string): boolean {
    const object = vertex(resource, namespace, name);
    if (this.#isUsed(node, object) || this.#nodeOf.get(object) === node) return true;
    if (resource === "persistentvolumes") return this.#isVolumeUsed(node, name);
    if (resource !== "secrets") return false;
    return [...(this.#volumesOfSecret.get(object) ?? [])].some((volume) => this.#isVolumeUsed(node, volume));
  }

  #isUsed(node: string, object: string): boolean {
    return (this.#uses.get(node)?.get(object) ?? 0) > 0;
  }

  #isVolumeUsed(node: string, volume: string): boolean {
    const claim = this.#claimOfVolume.get(volume);
    return claim !== undefined && this.#isUsed(node, claim);
  }

  #count(pod: Pod, change: 1 | -1): void {
    const node = pod.spec?.nodeName;
    if (!node) return;
    const uses = this.#uses.get(node) ?? new Map<string, number>();
    this.#uses.set(node, uses);
    for (const object of objectsOf(pod)) {
      const count = (uses.get(object) ?? 0) + change;
      if (count === 0) uses.delete(object);
      else uses.set(object, count);
    }
    if (uses.size === 0) this.#uses.delete(node);
  }

  #addVolume(volume: Volume): void {
    const claim = volume.spec?.claimRef;
    if (claim?.name === undefined) return;
    this.#claimOfVolume.set(nameOf(volume), vertex("persistentvolumeclaims", claim.namespace ?? "", claim.name));
    for (const [namespace, name] of volumeSecrets(volume)) {
      const secret = vertex("secrets", namespace, name);
      this.#volumesOfSecret.set(secret, (this.#volumesOfSecret.get(secret) ?? new Set()).add(nameOf(volume)));
    }
  }

  #dropVolume(volume: Volume): void {
    this.#claimOfVolume.delete(nameOf(volume));
    for (const [namespace, name] of volumeSecrets(volume)) {
      const secret = vertex("secrets", namespace, name);
      const volumes = this.#volumesOfSecret.get(secret);
      volumes?.delete(nameOf(volume));
      if (volumes?.size === 0) this.#volumesOfSecret.delete(secret);
    }
  }

  #place(object: string, node: string | undefined): void {
    if (node === undefined) this.#nodeOf.delete(object);
    else this.#nodeOf.set(object, node);
  }
}

function vertex(resource: string, namespace: string, name: string): string {
  return `${resource}/${namespace}/${name}`;
}

function nameOf(object: KubeObject | undefined): string {
  return object?.metadata?.name ?? "";
}

function objectsOf(pod: Pod): ReadonlySet<string> {
  const namespace = pod.metadata?.namespace ?? "";
  const objects = new Set([vertex("pods", namespace, nameOf(pod))]);
  if (pod.metadata?.annotations?.[mirrorAnnotation] !== undefined) return objects;
  visitReferences(pod, (resource, name) => objects.add(vertex(resource, namespace, name)));
  return objects;
}
