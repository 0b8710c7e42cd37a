// What every namespace is given: its service account, the authority's certificate, and tokens in secrets for those who ask.
import { resources } from "@lenj/client";
import { createServiceAccountKey } from "@lenj/component-base/pki";
import type { corev1 } from "@lenj/proto/k8s";
import { startTestCluster, type TestCluster } from "../testing/test-cluster.js";
import { createRootCAPublisher } from "./root-ca-publisher/controller.js";
import { createServiceAccountController } from "./service-account/controller.js";
import { createTokenController } from "./service-account-token/controller.js";

const namespace = (name: string, phase: "Active" | "Terminating" = "Active"): corev1.Namespace => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name },
  status: { phase },
});

function start(...namespaces: corev1.Namespace[]): Promise<TestCluster> {
  return startTestCluster({
    controllers: [createRootCAPublisher, createServiceAccountController, createTokenController],
    config: { rootCA: "CERTIFICATE", serviceAccountPrivateKey: createServiceAccountKey().privateKey },
    seed: (client) => client.seed(resources.namespaces, ...namespaces),
  });
}

const names = (objects: readonly { metadata?: { namespace?: string | undefined; name?: string | undefined } | undefined }[]): string[] =>
  objects.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`).sort();

describe("every active namespace", () => {
  it("has a default service account, also after it was deleted", async () => {
    const cluster = await start(namespace("a"), namespace("ending", "Terminating"));
    await cluster.client.create(resources.namespaces, namespace("b"));
    await cluster.pass(1_000);
    expect(names(cluster.client.objects(resources.serviceAccounts))).toEqual(["a/default", "b/default"]);
    await cluster.client.delete(resources.serviceAccounts, { namespace: "a", name: "default" });
    await cluster.pass(1_000);
    expect(names(cluster.client.objects(resources.serviceAccounts))).toEqual(["a/default", "b/default"]);
    await cluster.close();
  });

  it("has the authority's certificate, whatever is done to it", async () => {
    const cluster = await start(namespace("a"), namespace("ending", "Terminating"));
    const { client } = cluster;
    const key = { namespace: "a", name: "kube-root-ca.crt" };
    const published = (): unknown[] =>
      client.objects<corev1.ConfigMap>(resources.configMaps).map(({ metadata, data }) => [metadata?.namespace, metadata?.name, data]);
    const expected = [["a", "kube-root-ca.crt", { "ca.crt": "CERTIFICATE" }]];
    await cluster.pass(1_000);
    expect(published()).toEqual(expected);
    await client.patch(resources.configMaps, key, { type: "merge", body: { data: { "ca.crt": "forged" } } });
    await cluster.pass(1_000);
    expect(published()).toEqual(expected);
    await client.delete(resources.configMaps, key);
    await cluster.pass(1_000);
    expect(published()).toEqual(expected);
    await cluster.close();
  });
});

describe("secrets of type kubernetes.io/service-account-token", () => {
  const secret = (name: string, account: string, uid?: string): corev1.Secret => ({
    apiVersion: "v1",
    kind: "Secret",
    type: "kubernetes.io/service-account-token",
    metadata: {
      namespace: "a",
      name,
      annotations: {
        "kubernetes.io/service-account.name": account,
        ...(uid !== undefined && { "kubernetes.io/service-account.uid": uid }),
      },
    },
  });
  const decoded = (text: unknown): string => Buffer.from(String(text), "base64").toString("utf8");

  it("get a token of the account that they name, and go with it", async () => {
    const cluster = await start(namespace("a"));
    const { client } = cluster;
    await cluster.pass(1_000);
    await client.create(resources.secrets, secret("token", "default"));
    await cluster.pass(1_000);
    const [filled] = client.objects<corev1.Secret>(resources.secrets);
    const uid = client.objects<corev1.ServiceAccount>(resources.serviceAccounts)[0]?.metadata?.uid;
    expect(filled?.metadata?.annotations?.["kubernetes.io/service-account.uid"]).toBe(uid);
    expect([decoded(filled?.data?.["ca.crt"]), decoded(filled?.data?.["namespace"])]).toEqual(["CERTIFICATE", "a"]);
    const claims = JSON.parse(
      Buffer.from(decoded(filled?.data?.["token"]).split(".")[1] as string, "base64url").toString("utf8"),
    ) as object;
    expect(claims).toEqual({
      iss: "kubernetes/serviceaccount",
      sub: "system:serviceaccount:a:default",
      "kubernetes.io/serviceaccount/namespace": "a",
      "kubernetes.io/serviceaccount/secret.name": "token",
      "kubernetes.io/serviceaccount/service-account.name": "default",
      "kubernetes.io/serviceaccount/service-account.uid": uid,
    });
    await client.delete(resources.serviceAccounts, { namespace: "a", name: "default" });
    await cluster.pass(2_000);
    expect(client.objects(resources.secrets)).toEqual([]);
    await cluster.close();
  });

  it("are removed when they name nobody, or somebody who is gone", async () => {
    const cluster = await start(namespace("a"));
    await cluster.pass(1_000);
    await cluster.client.create(resources.secrets, secret("nobody", "missing"));
    await cluster.client.create(resources.secrets, secret("former", "default", "uid-of-former"));
    await cluster.pass(2_000);
    expect(cluster.client.objects(resources.secrets)).toEqual([]);
    await cluster.close();
  });
});
