// Bound service account tokens by TokenRequest, renewed before they expire. Upstream: pkg/kubelet/token.

import type { Clock, Random } from "@lenj/base";
import { type ApiClient, isNotFound, type KubeObject, resources } from "@lenj/client";
import type { authenticationv1, corev1 } from "@lenj/proto/k8s";
import { podName, podNamespace, podUID } from "../../core/pod/identity.js";
import { parseTime } from "../../core/time-text.js";

interface Issued {
  readonly token: string;
  readonly expiresAtMs: number;
  readonly renewAtMs: number;
}

const maxAgeMs = 24 * 3600_000;
const maxJitterMs = 10_000;

export class TokenSource {
  readonly #issued = new Map<string, Issued>();

  constructor(readonly options: { readonly client: ApiClient; readonly clock: Clock; readonly random: Random }) {}

  /** A token bound to the pod: the one in use until four fifths of its life, or a day, have passed. */
  async token(pod: corev1.Pod, projection: corev1.ServiceAccountTokenProjection, signal?: AbortSignal): Promise<string> {
    const { client, clock, random } = this.options;
    const key = [podUID(pod), projection.audience ?? "", projection.expirationSeconds ?? 3600].join("/");
    const known = this.#issued.get(key);
    const nowMs = clock.wallMs();
    if (known !== undefined && nowMs < known.renewAtMs) return known.token;
    const name = pod.spec?.serviceAccountName ?? "default";
    const request: authenticationv1.TokenRequest & KubeObject = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {
        audiences: projection.audience === undefined || projection.audience === "" ? [] : [projection.audience],
        expirationSeconds: projection.expirationSeconds ?? 3600,
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name: podName(pod), uid: podUID(pod) },
      },
    };
    try {
      const options = { subresource: "token", namespace: podNamespace(pod), name, ...(signal === undefined ? {} : { signal }) };
      const answer = await client.create<typeof request>(resources.serviceAccounts, request, options);
      const token = answer.status?.token ?? "";
      const expiresAtMs = parseTime(answer.status?.expirationTimestamp ?? "") ?? nowMs + 3600_000;
      const renewAfterMs = Math.min((expiresAtMs - nowMs) * 0.8, maxAgeMs);
      this.#issued.set(key, {
        token,
        expiresAtMs,
        renewAtMs: nowMs + renewAfterMs - random.next() * Math.min(maxJitterMs, renewAfterMs / 10),
      });
      return token;
    } catch (error) {
      // One that is still valid serves on; the next refresh tries again.
      if (known !== undefined && nowMs < known.expiresAtMs && !isNotFound(error)) return known.token;
      throw new Error(`failed to fetch token: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Forgets the tokens of a pod that is gone. */
  forget(uid: string): void {
    for (const key of this.#issued.keys()) if (key.startsWith(`${uid}/`)) this.#issued.delete(key);
  }
}
