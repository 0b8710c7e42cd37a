// Wiring of the process: options to configuration, the api client, the kubelet, its servers.
import type { ComponentContext, RunningComponent } from "@lenj/component-base";
import { readTLSFiles, serveHealth, serverIdentity } from "@lenj/component-base";
import { createApiClient, loadKubeconfig } from "@lenj/client";
import { decideConfig, withConfigFile } from "./config.js";
import { KubeletServer } from "./drivers/server/kubelet-server.js";
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
  const health = options.healthzPort === 0 ? undefined : await serveHealth({ address: options.healthzBindAddress, port: options.healthzPort, health: context.health, metrics: context.metrics });
  const { ca } = readTLSFiles({ caFile: options.clientCaFile });
  const server = await KubeletServer.start({
    address: config.address,
    port: config.port,
    tls: { ...(await serverIdentity(options, clock.wallMs())), clientCA: ca },
    ...{ cri: kubelet.cri, clock, logger, metrics: context.metrics },
    pods: () => kubelet.pods(),
    runtimeState: (uid) => kubelet.observer.get(uid),
  });
  return {
    failed: kubelet.failed,
    close: async () => {
      await server.close();
      await health?.close();
      await kubelet.close();
      await client.close();
    },
  };
}
