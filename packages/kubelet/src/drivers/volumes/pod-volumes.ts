// Volumes of pods under the root directory: made, kept current, removed.
//
// Owns:  <root>/pods/<uid> and every mount below it.
// V1. A pod's folder is removed only when nothing is mounted below it any more.
// V2. Content of configMap, secret, downwardAPI and projected volumes changes atomically (atomic-writer.ts).
// V3. Secrets and tokens live in memory file systems and never reach the disk.
// Source: pkg/volume, pkg/kubelet/volumemanager.
import { chmod, chown, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { DownwardFacts } from "../../core/env/field-ref.js";
import { podNamespace, podUID } from "../../core/pod/identity.js";
import { wholeUnits } from "../../core/resources/amount.js";
import { commonRunAsUser, type PayloadSources, tokenKey, volumePayload, volumeReferences } from "../../core/volumes/payload.js";
import type { ObjectSource } from "../objects/object-source.js";
import type { TokenSource } from "../objects/token-source.js";
import { type Ownership, writeAtomically } from "./atomic-writer.js";
import { prepareHostPath } from "./host-path.js";
import { isMountPoint, mountTmpfs, unmountBelow } from "./mounts.js";

export interface PodVolumesOptions {
  readonly rootDirectory: string;
  readonly objects: ObjectSource;
  readonly tokens: TokenSource;
}

/** A volume could not be made; `volume` names it. */
export class VolumeError extends Error {
  override readonly name = "VolumeError";
  constructor(
    readonly volume: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export class PodVolumes {
  constructor(readonly options: PodVolumesOptions) {}

  podDirectory(uid: string): string {
    return join(this.options.rootDirectory, "pods", uid);
  }

  /**
   * Makes or refreshes every volume the pod's containers mount; volume name → path on the host.
   * Rejects with VolumeError for the first that cannot be made, after having tried all.
   */
  async prepare(facts: DownwardFacts, signal: AbortSignal): Promise<Map<string, string>> {
    const { pod } = facts;
    const used = new Set(
      [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].flatMap((container) =>
        (container.volumeMounts ?? []).map((mount) => mount.name),
      ),
    );
    const paths = new Map<string, string>();
    let failure: VolumeError | undefined;
    for (const volume of pod.spec?.volumes ?? []) {
      if (!used.has(volume.name)) continue;
      try {
        paths.set(volume.name, await this.#prepareVolume(volume, facts, signal));
      } catch (error) {
        if (signal.aborted) throw error;
        failure ??= new VolumeError(volume.name, (error as Error).message, { cause: error });
      }
    }
    if (failure !== undefined) throw failure;
    return paths;
  }

  /** Unmounts and removes everything of a pod (V1). */
  async remove(uid: string): Promise<void> {
    const folder = this.podDirectory(uid);
    await unmountBelow(folder);
    await rm(folder, { recursive: true, force: true });
  }

  /** UIDs of the pods that have a folder here, wanted or not. */
  async present(): Promise<string[]> {
    return readdir(join(this.options.rootDirectory, "pods")).catch(() => []);
  }

  async #prepareVolume(volume: corev1.Volume, facts: DownwardFacts, signal: AbortSignal): Promise<string> {
    if (volume.hostPath !== undefined) {
      await prepareHostPath(volume.hostPath.path, volume.hostPath.type);
      return volume.hostPath.path;
    }
    if (volume.emptyDir !== undefined) return this.#prepareEmptyDir(volume.name, volume.emptyDir, facts.pod);
    if (volume.configMap !== undefined) return this.#preparePayload("configmap", volume, facts, signal);
    if (volume.secret !== undefined) return this.#preparePayload("secret", volume, facts, signal);
    if (volume.downwardAPI !== undefined) return this.#preparePayload("downward-api", volume, facts, signal);
    if (volume.projected !== undefined) return this.#preparePayload("projected", volume, facts, signal);
    if (volume.persistentVolumeClaim !== undefined) return this.#prepareClaim(volume.persistentVolumeClaim.claimName, facts.pod, signal);
    if (volume.ephemeral !== undefined) return this.#prepareClaim(`${facts.pod.metadata?.name ?? ""}-${volume.name}`, facts.pod, signal);
    throw new Error(`failed to get Plugin from volumeSpec for volume ${JSON.stringify(volume.name)}: no volume plugin matched`);
  }

  async #prepareEmptyDir(name: string, source: corev1.EmptyDirVolumeSource, pod: corev1.Pod): Promise<string> {
    const folder = this.#folder(pod, "empty-dir", name);
    await mkdir(folder, { recursive: true });
    if (source.medium === "Memory" && !(await isMountPoint(folder))) {
      const limit = wholeUnits(source.sizeLimit);
      await mountTmpfs(folder, { mode: "1777", ...(limit > 0 ? { sizeBytes: limit } : {}) });
    }
    const gid = pod.spec?.securityContext?.fsGroup;
    if (gid !== undefined) await chown(folder, 0, gid);
    // The group bit makes what is created inside belong to the group.
    await chmod(folder, gid === undefined ? 0o777 : 0o2777);
    return folder;
  }

  async #preparePayload(plugin: string, volume: corev1.Volume, facts: DownwardFacts, signal: AbortSignal): Promise<string> {
    const folder = this.#folder(facts.pod, plugin, volume.name);
    const payload = volumePayload(volume, await this.#sources(volume, facts, signal));
    await mkdir(folder, { recursive: true });
    if ((plugin === "secret" || plugin === "projected") && !(await isMountPoint(folder))) await mountTmpfs(folder, { mode: "0755" });
    await writeAtomically(folder, payload, ownership(volume, facts.pod));
    return folder;
  }

  async #sources(volume: corev1.Volume, facts: DownwardFacts, signal: AbortSignal): Promise<PayloadSources> {
    const references = volumeReferences(volume);
    const namespace = podNamespace(facts.pod);
    const { objects, tokens } = this.options;
    const [configMaps, secrets] = await Promise.all([
      objects.getAll<corev1.ConfigMap>(resources.configMaps, namespace, references.configMaps, signal),
      objects.getAll<corev1.Secret>(resources.secrets, namespace, references.secrets, signal),
    ]);
    const issued = new Map<string, string>();
    for (const projection of references.tokens) issued.set(tokenKey(projection), await tokens.token(facts.pod, projection, signal));
    return {
      ...facts,
      configMap: (name) => configMaps.get(name),
      secret: (name) => secrets.get(name),
      token: (key) => issued.get(key),
      encode: (text) => Buffer.from(text, "utf8"),
      decodeBase64: (text) => Buffer.from(text, "base64"),
    };
  }

  // Claims bound to a directory of this node; anything that needs attaching is a storage driver's.
  async #prepareClaim(claimName: string, pod: corev1.Pod, signal: AbortSignal): Promise<string> {
    const { objects } = this.options;
    const claim = await objects.get<corev1.PersistentVolumeClaim>(resources.persistentVolumeClaims, podNamespace(pod), claimName, signal);
    if (claim === undefined)
      throw new Error(
        `error getting PVC ${JSON.stringify(`${podNamespace(pod)}/${claimName}`)}: persistentvolumeclaims ${JSON.stringify(claimName)} not found`,
      );
    if (claim.status?.phase !== "Bound" || claim.spec?.volumeName === undefined)
      throw new Error(`PVC ${podNamespace(pod)}/${claimName} is not bound`);
    const volume = await objects.get<corev1.PersistentVolume>(resources.persistentVolumes, undefined, claim.spec.volumeName, signal);
    if (volume === undefined) throw new Error(`error getting PV ${JSON.stringify(claim.spec.volumeName)}: not found`);
    if (volume.spec?.hostPath !== undefined) {
      await prepareHostPath(volume.spec.hostPath.path, volume.spec.hostPath.type);
      return volume.spec.hostPath.path;
    }
    if (volume.spec?.local !== undefined) {
      await prepareHostPath(volume.spec.local.path, "Directory");
      return volume.spec.local.path;
    }
    throw new Error(`no volume plugin matched for persistent volume ${JSON.stringify(claim.spec.volumeName)}`);
  }

  #folder(pod: corev1.Pod, plugin: string, name: string): string {
    return join(this.podDirectory(podUID(pod)), "volumes", `kubernetes.io~${plugin}`, name);
  }
}

// A token belongs to the one user that all containers run as, if they do; else files get the pod's group.
function ownership(volume: corev1.Volume, pod: corev1.Pod): Ownership {
  const gid = pod.spec?.securityContext?.fsGroup;
  if (gid !== undefined) return { gid };
  const hasToken = (volume.projected?.sources ?? []).some((source) => source.serviceAccountToken !== undefined);
  const uid = hasToken ? commonRunAsUser(pod) : undefined;
  return uid === undefined ? {} : { uid };
}
