// Static pods: files of this node, and their images ("mirrors") at the api-server.
//
// Owns:  the pods read from --pod-manifest-path, their mirrors.
// S1. A file's pod has the same UID as long as the file has the same content, so a kubelet restart changes nothing.
// S2. A mirror shows the pod as the file has it; one that differs, or is being deleted, is replaced.
// Source: pkg/kubelet/config/file.go, pkg/kubelet/pod/mirror_client.go.
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, delay, type Logger, type TaskGroup } from "@lenj/base";
import { type ApiClient, isAlreadyExists, isNotFound, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import { annotations, podKey, podUID } from "../../core/pod/identity.js";

export interface StaticPodsOptions {
  readonly path: string;
  readonly intervalMs: number;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: no api-server, no mirrors. */
  readonly client: ApiClient | undefined;
  readonly nodeUID: () => string | undefined;
  readonly onPod: (pod: corev1.Pod) => void;
  readonly onGone: (uid: string) => void;
}

export class StaticPods {
  readonly #pods = new Map<string, corev1.Pod>();
  readonly #mirrors = new Map<string, corev1.Pod>();
  #hasRead = false;

  constructor(readonly options: StaticPodsOptions) {}

  /** The files were read at least once, or there are none to read. */
  get hasSynced(): boolean {
    return this.#hasRead || this.options.path === "";
  }

  /** The mirror of a static pod as the api-server has it. */
  mirrorOf(pod: corev1.Pod): corev1.Pod | undefined {
    return this.#mirrors.get(podKey(pod));
  }

  onMirror(mirror: corev1.Pod): void {
    this.#mirrors.set(podKey(mirror), mirror);
  }

  onMirrorGone(mirror: corev1.Pod): void {
    this.#mirrors.delete(podKey(mirror));
  }

  start(tasks: TaskGroup): void {
    if (this.options.path === "") return;
    tasks.run("static pods", async (signal) => {
      while (!signal.aborted) {
        await this.#look().catch((error: unknown) =>
          this.options.logger.warn("Reading static pods failed", { path: this.options.path, error: (error as Error).message }),
        );
        await delay(this.options.clock, this.options.intervalMs, signal).catch(() => undefined);
      }
    });
    if (this.options.client === undefined) return;
    tasks.run("mirror pods", async (signal) => {
      while (!signal.aborted) {
        await this.#syncMirrors(this.options.client as ApiClient, signal).catch((error: unknown) => {
          if (!signal.aborted) this.options.logger.debug("Updating mirror pods failed", { error: (error as Error).message });
        });
        await delay(this.options.clock, 1_000, signal).catch(() => undefined);
      }
    });
  }

  async #look(): Promise<void> {
    const found = new Map<string, corev1.Pod>();
    for (const file of await this.#files()) {
      try {
        const pod = await readStaticPod(file, this.options.nodeName);
        found.set(podUID(pod), pod);
      } catch (error) {
        this.options.logger.warn("Unable to use a static pod file", { file, error: (error as Error).message });
        // Half-written, perhaps: what it was before goes on until the file is whole again or gone.
        for (const [uid, pod] of this.#pods) if (pod.metadata?.annotations?.["lenj.dev/manifest"] === file) found.set(uid, pod);
      }
    }
    for (const [uid, pod] of this.#pods) {
      if (found.has(uid)) continue;
      this.#pods.delete(uid);
      this.options.onGone(uid);
      this.options.logger.info("Static pod is gone", { pod: podKey(pod) });
    }
    for (const [uid, pod] of found) {
      if (this.#pods.has(uid)) continue;
      this.#pods.set(uid, pod);
      this.options.onPod(pod);
    }
    this.#hasRead = true;
  }

  async #files(): Promise<string[]> {
    const { path } = this.options;
    const status = await stat(path).catch(() => undefined);
    if (status === undefined) return [];
    if (!status.isDirectory()) return [path];
    const names = await readdir(path);
    return names
      .filter((name) => !name.startsWith(".") && !name.endsWith("~"))
      .sort()
      .map((name) => join(path, name));
  }

  async #syncMirrors(client: ApiClient, signal: AbortSignal): Promise<void> {
    const wanted = new Map([...this.#pods.values()].map((pod) => [podKey(pod), pod]));
    for (const [key, mirror] of this.#mirrors) {
      const pod = wanted.get(key);
      const hash = pod?.metadata?.annotations?.[annotations.configHash];
      if (
        pod !== undefined &&
        mirror.metadata?.annotations?.[annotations.configMirror] === hash &&
        mirror.metadata?.deletionTimestamp === undefined
      )
        continue;
      await this.#delete(client, mirror, signal);
    }
    for (const [key, pod] of wanted) {
      if (!this.#mirrors.has(key)) await this.#create(client, pod, signal);
    }
  }

  async #create(client: ApiClient, pod: corev1.Pod, signal: AbortSignal): Promise<void> {
    const nodeUID = this.options.nodeUID();
    if (nodeUID === undefined) return;
    const hash = pod.metadata?.annotations?.[annotations.configHash] ?? "";
    const { uid: _, ...metadata } = pod.metadata ?? {};
    const mirror: corev1.Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        ...metadata,
        annotations: { ...metadata.annotations, [annotations.configMirror]: hash },
        ownerReferences: [{ apiVersion: "v1", kind: "Node", name: this.options.nodeName, uid: nodeUID, controller: true }],
      },
      spec: pod.spec as corev1.PodSpec,
    };
    await client.create<corev1.Pod>(resources.pods, mirror, { signal }).then(
      (created) => this.onMirror(created),
      (error: unknown) => {
        if (!isAlreadyExists(error)) throw error;
      },
    );
  }

  async #delete(client: ApiClient, mirror: corev1.Pod, signal: AbortSignal): Promise<void> {
    const key = { namespace: mirror.metadata?.namespace ?? "default", name: mirror.metadata?.name ?? "" };
    const uid = mirror.metadata?.uid;
    await client
      .delete(resources.pods, key, { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }), signal })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    this.onMirrorGone(mirror);
  }
}

/** The pod of a manifest, named and marked as this node's. Rejects when it is none. */
export async function readStaticPod(file: string, nodeName: string): Promise<corev1.Pod> {
  const text = await readFile(file, "utf8");
  const { parse } = await import("yaml");
  const pod = parse(text) as corev1.Pod;
  if (pod?.kind !== "Pod" || pod.apiVersion !== "v1") throw new Error(`file does not contain a Pod: ${file}`);
  if ((pod.metadata?.name ?? "") === "" || (pod.spec?.containers ?? []).length === 0)
    throw new Error("a static pod needs metadata.name and spec.containers");
  const hash = createHash("md5").update(`host:${nodeName}file:${file}`).update(JSON.stringify(pod)).digest("hex");
  const uid = pod.metadata?.uid ?? hash;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      name: `${pod.metadata?.name}-${nodeName}`,
      namespace: pod.metadata?.namespace ?? "default",
      uid,
      annotations: {
        ...pod.metadata?.annotations,
        [annotations.configHash]: hash,
        [annotations.configSource]: "file",
        "lenj.dev/manifest": file,
      },
    },
    spec: withDefaults(pod.spec as corev1.PodSpec, nodeName),
  };
}

// No api-server defaults a static pod: what the rest relies on is filled in here.
function withDefaults(spec: corev1.PodSpec, nodeName: string): corev1.PodSpec {
  return {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    enableServiceLinks: true,
    ...spec,
    nodeName,
    tolerations: [...(spec.tolerations ?? []), { operator: "Exists", effect: "NoExecute" }],
    // A static pod cannot use an account: its token would need the mirror.
    automountServiceAccountToken: false,
  };
}
