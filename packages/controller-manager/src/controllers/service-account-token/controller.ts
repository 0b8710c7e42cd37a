// Token controller: fills Secrets of type kubernetes.io/service-account-token and removes them with their ServiceAccount.
// Source: pkg/controller/serviceaccount/tokens_controller.go.
import { isNotFound, objectName, resources } from "@lenj/client";
import type { corev1 } from "@lenj/proto/k8s";
import type { Controller, ControllerContext } from "../../controller-context.js";
import { makeLoop } from "../../drivers/make-loop.js";
import { uidPrecondition } from "../../drivers/pod-control.js";
import { LegacyTokenSigner } from "./legacy-token.js";

const TYPE = "kubernetes.io/service-account-token";
const ACCOUNT_NAME = "kubernetes.io/service-account.name";
const ACCOUNT_UID = "kubernetes.io/service-account.uid";

export function createTokenController(context: ControllerContext): Controller {
  const { client, config } = context;
  const signer = new LegacyTokenSigner(config.serviceAccountPrivateKey);
  const accounts = context.informers.informer<corev1.ServiceAccount>(resources.serviceAccounts);
  const secrets = context.informers.informer<corev1.Secret>(resources.secrets, { fieldSelector: `type=${TYPE}` });
  const loop = makeLoop(context, {
    name: "serviceaccount_tokens_secret",
    workers: config.concurrentServiceAccountTokenSyncs,
    caches: [accounts, secrets],
    reconcile: async (name, signal) => {
      const secret = secrets.lister.getByKey(name);
      if (secret === undefined || secret.metadata?.deletionTimestamp !== undefined) return;
      const { namespace = "", annotations = {} } = secret.metadata ?? {};
      const key = { namespace, name: secret.metadata?.name ?? "" };
      const account = await liveAccount(namespace, annotations[ACCOUNT_NAME] ?? "", signal);
      const uid = account?.metadata?.uid ?? "";
      if (account === undefined || (annotations[ACCOUNT_UID] !== undefined && annotations[ACCOUNT_UID] !== uid)) {
        await client.delete(resources.secrets, key, { ...uidPrecondition(secret), signal }).catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
        return;
      }
      const data = wantedData(secret, account);
      const isComplete = annotations[ACCOUNT_UID] === uid && Object.entries(data).every(([field, value]) => secret.data?.[field] === value);
      if (isComplete) return;
      await client.update(
        resources.secrets,
        {
          ...secret,
          metadata: { ...secret.metadata, annotations: { ...annotations, [ACCOUNT_UID]: uid } },
          data: { ...secret.data, ...data },
        },
        { signal },
      );
    },
  });

  /** The cache may not know a new account yet, and a Secret must not be deleted for that. */
  async function liveAccount(namespace: string, name: string, signal: AbortSignal): Promise<corev1.ServiceAccount | undefined> {
    const cached = accounts.lister.get(namespace, name);
    if (cached !== undefined || name === "") return cached;
    return client.get<corev1.ServiceAccount>(resources.serviceAccounts, { namespace, name }, { signal }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  }

  function wantedData(secret: corev1.Secret, account: corev1.ServiceAccount): Record<string, string> {
    const { namespace = "", name = "", uid = "" } = account.metadata ?? {};
    const base64 = (text: string): string => Buffer.from(text).toString("base64");
    const token = (): string =>
      signer.sign({ namespace, serviceAccountName: name, serviceAccountUID: uid, secretName: secret.metadata?.name ?? "" });
    return {
      ...(config.rootCA !== "" && { "ca.crt": base64(config.rootCA) }),
      namespace: base64(namespace),
      token: secret.data?.["token"] ?? base64(token()),
    };
  }

  secrets.addHandler({
    onAdd: (secret) => loop.queue.add(objectName(secret)),
    onUpdate: (_, secret) => loop.queue.add(objectName(secret)),
  });
  accounts.addHandler({
    onDelete: (account) => {
      for (const secret of secrets.lister.list(account.metadata?.namespace)) {
        if (secret.metadata?.annotations?.[ACCOUNT_NAME] === account.metadata?.name) loop.queue.add(objectName(secret));
      }
    },
  });
  return loop;
}
