// Images of containers: present, pulled, or the reason why not. Upstream: pkg/kubelet/images/image_manager.go.
//
// Owns:  the back-off of failed pulls and the order of pulls.
// M1. At most one pull runs at a time (serializeImagePulls), and a container never waits without its status saying so.
// M2. A failed pull is tried again after 10 s doubling to 5 min; meanwhile the container waits as ImagePullBackOff.
import type { Clock, Random } from "@lenj/base";
import { resources } from "@lenj/client";
import type * as wire from "@lenj/proto/cri";
import type { corev1 } from "@lenj/proto/k8s";
import type { Draft } from "../../core/cri/draft.js";
import { isKubeletCoreError } from "../../core/errors.js";
import { pullPolicyOf, withDefaultTag } from "../../core/images/image-name.js";
import { pullCredentials } from "../../core/images/pull-credentials.js";
import { Backoff } from "../../core/pod/backoff.js";
import { podNamespace, podUID } from "../../core/pod/identity.js";
import { type CRIClient, describeCRIError } from "../cri/cri-client.js";
import type { ObjectSource } from "../objects/object-source.js";

export interface PulledImage {
  readonly id: string;
  readonly user: { readonly uid: number | undefined; readonly username: string };
}

export type ImageFailure = {
  readonly reason: "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" | "ImageInspectError";
  readonly message: string;
  readonly retryAtMs?: number;
};

export type ImageEvents = (type: "Normal" | "Warning", reason: string, message: string) => void;

export class ImagePuller {
  readonly #backoff = new Backoff();
  #queue: Promise<void> = Promise.resolve();

  constructor(
    readonly options: {
      readonly cri: CRIClient;
      readonly clock: Clock;
      readonly random: Random;
      readonly objects: ObjectSource;
      readonly serialize: boolean;
    },
  ) {}

  /** Makes the container's image present. Failures are values: they are states of the container. */
  async ensure(input: {
    pod: corev1.Pod;
    container: corev1.Container;
    sandboxConfig: Draft<wire.PodSandboxConfig>;
    event: ImageEvents;
    signal: AbortSignal;
  }): Promise<PulledImage | ImageFailure> {
    const { container, event, signal } = input;
    let image: string;
    try {
      image = withDefaultTag(container.image ?? "");
    } catch (error) {
      if (!isKubeletCoreError(error)) throw error;
      event("Warning", "InspectFailed", error.message);
      return { reason: "InvalidImageName", message: error.message };
    }
    const policy = pullPolicyOf(image, container.imagePullPolicy);
    let present: wire.Image | undefined;
    try {
      present = await this.options.cri.imageStatus(image, { signal });
    } catch (error) {
      if (signal.aborted) throw error;
      const message = `Failed to inspect image ${JSON.stringify(image)}: ${describeCRIError(error)}`;
      event("Warning", "InspectFailed", message);
      return { reason: "ImageInspectError", message };
    }
    if (present !== undefined && policy !== "Always") {
      event("Normal", "Pulled", `Container image ${JSON.stringify(image)} already present on machine and can be accessed by the pod`);
      return toPulled(present);
    }
    if (policy === "Never") {
      const message = `Container image ${JSON.stringify(image)} is not present with pull policy of Never`;
      event("Warning", "ErrImageNeverPull", message);
      return { reason: "ErrImageNeverPull", message };
    }
    return this.#pullUnlessBackingOff(image, input);
  }

  async #pullUnlessBackingOff(image: string, input: Parameters<ImagePuller["ensure"]>[0]): Promise<PulledImage | ImageFailure> {
    const { clock } = this.options;
    const key = `${podUID(input.pod)}_${image}`;
    // Back-off counts from the failed attempt itself.
    const failedAtMs = this.#failedAtMs.get(key);
    const untilMs = failedAtMs === undefined ? undefined : this.#backoff.blockedUntilMs(key, failedAtMs, clock.monotonicMs());
    if (untilMs !== undefined) {
      const message = `Back-off pulling image ${JSON.stringify(image)}`;
      input.event("Normal", "BackOff", message);
      const cause = this.#failure.get(key);
      return {
        reason: "ImagePullBackOff",
        message: cause === undefined ? message : `${message}: ErrImagePull: ${cause}`,
        retryAtMs: untilMs,
      };
    }
    const queuedAtMs = clock.monotonicMs();
    input.event("Normal", "Pulling", `Pulling image ${JSON.stringify(image)}`);
    try {
      const pulled = await this.#inOrder(async () => {
        const startedAtMs = clock.monotonicMs();
        const id = await this.#pull(image, input);
        const status = await this.options.cri.imageStatus(id === "" ? image : id, { signal: input.signal });
        const nowMs = clock.monotonicMs();
        const sizes = status === undefined ? "" : ` Image size: ${status.size} bytes.`;
        input.event(
          "Normal",
          "Pulled",
          `Successfully pulled image ${JSON.stringify(image)} in ${formatSpan(nowMs - startedAtMs)} (${formatSpan(nowMs - queuedAtMs)} including waiting).${sizes}`,
        );
        return status === undefined ? { id, user: { uid: undefined, username: "" } } : toPulled(status);
      });
      this.#failedAtMs.delete(key);
      this.#failure.delete(key);
      return pulled;
    } catch (error) {
      if (input.signal.aborted) throw error;
      const nowMs = clock.monotonicMs();
      const cause = describeCRIError(error);
      this.#backoff.next(key, failedAtMs ?? nowMs, nowMs);
      this.#failedAtMs.set(key, nowMs);
      this.#failure.set(key, cause);
      input.event("Warning", "Failed", `Failed to pull image ${JSON.stringify(image)}: ${cause}`);
      return { reason: "ErrImagePull", message: cause, retryAtMs: nowMs + this.#backoff.delayMs(key) };
    }
  }
  readonly #failedAtMs = new Map<string, number>();
  readonly #failure = new Map<string, string>();

  /** Forgets the failed pulls of a pod that is gone. */
  forget(uid: string): void {
    for (const map of [this.#failedAtMs, this.#failure]) {
      for (const key of map.keys()) if (key.startsWith(`${uid}_`)) map.delete(key);
    }
    this.#backoff.collect(this.options.clock.monotonicMs());
  }

  async #pull(image: string, input: Parameters<ImagePuller["ensure"]>[0]): Promise<string> {
    const { cri } = this.options;
    const credentials = await this.#credentials(image, input.pod, input.signal);
    if (credentials.length === 0) return cri.pullImage(image, undefined, input.sandboxConfig, { signal: input.signal });
    let failure: unknown;
    for (const auth of credentials) {
      try {
        return await cri.pullImage(image, auth, input.sandboxConfig, { signal: input.signal });
      } catch (error) {
        if (input.signal.aborted) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #credentials(image: string, pod: corev1.Pod, signal: AbortSignal): Promise<{ username: string; password: string }[]> {
    const names = (pod.spec?.imagePullSecrets ?? []).flatMap((reference) =>
      reference.name === undefined || reference.name === "" ? [] : [reference.name],
    );
    if (names.length === 0) return [];
    const secrets = await this.options.objects.getAll<corev1.Secret>(resources.secrets, podNamespace(pod), names, signal);
    const decode = (text: string): string => Buffer.from(text, "base64").toString("utf8");
    const configs = [...secrets.values()].flatMap((secret) => {
      const data = secret.data?.[".dockerconfigjson"] ?? secret.data?.[".dockercfg"];
      return data === undefined ? [] : [decode(data)];
    });
    return pullCredentials(image, configs, decode);
  }

  // M1.
  #inOrder<T>(task: () => Promise<T>): Promise<T> {
    if (!this.options.serialize) return task();
    const result = this.#queue.then(task);
    this.#queue = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}

function toPulled(image: wire.Image): PulledImage {
  return { id: image.id, user: { uid: image.uid === undefined ? undefined : Number(image.uid.value), username: image.username } };
}

/** Go's text of a span with millisecond precision: "1.234s", "76ms". */
function formatSpan(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${Number((ms / 1000).toFixed(3))}s`;
}
