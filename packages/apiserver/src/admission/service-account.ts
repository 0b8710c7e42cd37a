// Gives every pod its service account, and its containers the account's token.
// Source: plugin/pkg/admission/serviceaccount.
import { newForbidden } from "@lenj/apimachinery";
import { type Clock, delay, SystemClock, SystemRandom } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import { mirrorAnnotation } from "../auth/node-graph.js";
import { visitReferences } from "../auth/pod-references.js";
import type { KubeObject } from "../auth/ports.js";
import type { AdmissionDependencies, AdmissionPlugin } from "./ports.js";

type Pod = KubeObject & corev1.Pod;
type Account = KubeObject & corev1.ServiceAccount;
const mountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
const volumePrefix = "kube-api-access-";
/** One hour and seven seconds: tells a token made here from one that somebody asked for with a round number. */
const expirationSeconds = 3_607;
const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";
const pods = { group: "", resource: "pods" };
const serviceAccounts = { group: "", resource: "serviceaccounts" };

/** The controller makes a namespace's default account soon after the namespace: looked for this often before it counts as missing. */
const defaultAccountAttempts = 10;
const retryMs = { least: 100, spread: 100 };

export function serviceAccount({ reader }: AdmissionDependencies, clock: Clock = new SystemClock()): AdmissionPlugin {
  const random = new SystemRandom();
  const find = async (namespace: string, name: string, signal: AbortSignal): Promise<Account | undefined> => {
    const intervalMs = retryMs.least + random.below(retryMs.spread);
    for (let left = name === "default" ? defaultAccountAttempts : 1; ; ) {
      const account = await reader.getFresh<Account>(serviceAccounts, namespace, name, signal);
      left -= 1;
      if (account !== undefined || left === 0) return account;
      await delay(clock, intervalMs, signal);
    }
  };
  return {
    name: "ServiceAccount",
    handles: (operation) => operation === "CREATE",
    admit: async ({ resource, subresource, object, namespace, signal }) => {
      if (resource.group !== "" || resource.resource !== "pods" || subresource !== "") return;
      const pod = object as Pod;
      const spec = pod.spec as NonNullable<Pod["spec"]>;
      if (pod.metadata?.annotations?.[mirrorAnnotation] !== undefined) {
        checkMirrorPod(pod);
        return;
      }
      spec.serviceAccountName ||= "default";
      const account = await find(namespace, spec.serviceAccountName, signal);
      if (account === undefined) {
        const name = pod.metadata?.name ?? "";
        throw newForbidden(
          pods,
          name,
          `error looking up service account ${namespace}/${spec.serviceAccountName}: serviceaccount "${spec.serviceAccountName}" not found`,
        );
      }
      if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec, random);
      if ((spec.imagePullSecrets ?? []).length === 0 && (account.imagePullSecrets ?? []).length > 0)
        spec.imagePullSecrets = [...(account.imagePullSecrets ?? [])];
    },
  };
}

/** What the pod would be given is not its maker's to ask for. */
function checkMirrorPod(pod: Pod): void {
  const refuse = (why: string): never => {
    throw newForbidden(pods, pod.metadata?.name ?? "", why);
  };
  if (pod.spec?.serviceAccountName) refuse("a mirror pod may not reference service accounts");
  visitReferences(pod, (resource) => {
    if (resource === "secrets") refuse("a mirror pod may not reference secrets");
  });
  for (const { projected } of pod.spec?.volumes ?? []) {
    if ((projected?.sources ?? []).some(({ serviceAccountToken }) => serviceAccountToken !== undefined))
      refuse("a mirror pod may not use ServiceAccountToken volume projections");
  }
}

function mountToken(spec: corev1.PodSpec, random: SystemRandom): void {
  const known = (spec.volumes ?? []).find((volume) => volume.name?.startsWith(volumePrefix));
  const name =
    known?.name ?? `${volumePrefix}${Array.from({ length: 5 }, () => suffixAlphabet[random.below(suffixAlphabet.length)]).join("")}`;
  let isMounted = false;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    if ((container.volumeMounts ?? []).some((mount) => mount.mountPath === mountPath)) continue;
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath }];
    isMounted = true;
  }
  if (isMounted && known === undefined) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

function tokenVolume(name: string): corev1.Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds, path: "token" } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        { downwardAPI: { items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }] } },
      ],
    },
  };
}
