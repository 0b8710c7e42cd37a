// Wiring of the process: options to configuration, the api client, the kubelet, its servers.

import { type ApiClient, createApiClient, loadKubeconfig, resources } from "@lenj/client";
import type { ComponentContext, RunningComponent } from "@lenj/component-base";
import { readTLSFiles, serveHealth, serverIdentity, watchTLSFiles } from "@lenj/component-base";
import type { authorizationv1 } from "@lenj/proto/k8s";
import { decideConfig, withConfigFile } from "./config.js";
import { type Caller, type KubeletServer, startKubeletServer } from "./drivers/server/kubelet-server.js";
import { readResourceMetrics, readSummary } from "./drivers/server/usage.js";
import { Kubelet } from "./kubelet.js";
import type { KubeletOptions } from "./options.js";

export async function startProcess(given: KubeletOptions, context: ComponentContext): Promise<RunningComponent> {
  const options = await withConfigFile(given);
  const config = decideConfig(options);
  const { clock, random, logger } = context;
  const client = await createApiClient({ ...(await loadKubeconfig(options.kubeconfig)), userAgent: "kubelet/v1.35.0" }, { clock });
  const kubelet = await Kubelet.start(config, { client, clock, random, logger });
  context.health.register("syncloop", () => {
    const problems = kubelet.health.problems().filter((problem) => problem.startsWith("PLEG"));
    if (problems.length > 0) throw new Error(problems.join(", "));
  });
  const server = await startServer(options, { kubelet, client, context });
  const files = { certFile: options.tlsCertFile, keyFile: options.tlsPrivateKeyFile, caFile: options.clientCaFile };
  const stopWatching = watchTLSFiles(files, ({ cert, key, ca }) => {
    if (cert !== undefined && key !== undefined) server.replaceTLS({ cert, key, ca });
  });
  const health =
    options.healthzPort === 0
      ? undefined
      : await serveHealth({
          address: options.healthzBindAddress,
          port: options.healthzPort,
          health: context.health,
          metrics: context.metrics,
        });
  return {
    failed: kubelet.failed,
    close: async () => {
      stopWatching();
      await health?.close();
      await server.close();
      await kubelet.close();
      await client.close();
    },
  };
}

async function startServer(
  options: KubeletOptions,
  owned: { kubelet: Kubelet; client: ApiClient; context: ComponentContext },
): Promise<KubeletServer> {
  const { kubelet, client, context } = owned;
  const { clock, logger, health, metrics } = context;
  const identity = await serverIdentity(options, clock.wallMs());
  const { ca } = readTLSFiles({ caFile: options.clientCaFile });
  const usage = { cri: kubelet.cri, nodeName: kubelet.config.nodeName, nowMs: () => clock.wallMs() };
  return startKubeletServer(
    { address: options.address, port: options.port, tls: { ...identity, ca } },
    {
      cri: kubelet.cri,
      logger,
      health,
      metrics,
      pods: () => kubelet.pods(),
      runtimeOf: (uid) => kubelet.observer.get(uid),
      findContainer: (id) =>
        kubelet.observer
          .all()
          .flatMap((pod) => pod.containers)
          .find((container) => container.id === id),
      nowMs: () => clock.wallMs(),
      authorize: (caller, attributes) =>
        options.authorizationMode === "AlwaysAllow"
          ? Promise.resolve(undefined)
          : review(client, kubelet.config.nodeName, { caller, ...attributes }),
      summary: () => readSummary(usage),
      resourceMetrics: () => readResourceMetrics(usage),
    },
  );
}

/** Undefined when the api-server lets the caller do it to this node; else the reason, also when it could not be asked. */
async function review(
  client: ApiClient,
  nodeName: string,
  asked: { caller: Caller; verb: string; subresource: string },
): Promise<string | undefined> {
  const { caller, verb, subresource } = asked;
  // Every api-server authorizes this group without looking; its own calls must not depend on calling it back.
  if (caller.groups.includes("system:masters")) return undefined;
  const object: authorizationv1.SubjectAccessReview = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: {
      user: caller.user,
      groups: [...caller.groups],
      resourceAttributes: { verb, group: "", version: "v1", resource: "nodes", subresource, name: nodeName },
    },
  };
  try {
    const { status } = await client.create(resources.subjectAccessReviews, object);
    return status?.allowed === true ? undefined : (status?.reason ?? "not allowed");
  } catch (error) {
    return (error as Error).message;
  }
}
