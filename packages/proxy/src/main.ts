#!/usr/bin/env node
// The proxy: makes Services and other nodes' pods reachable from one node, by rules and routes of its kernel.
import { TaskGroup } from "@lenj/base";
import { createApiClient, InformerFactory, loadKubeconfig } from "@lenj/client";
import { type ComponentContext, type RunningComponent, runComponent, serveHealth } from "@lenj/component-base";
import { SyncLoop } from "./drivers/sync-loop.js";
import { type ProxyOptions, parseBindAddress, proxyFlags, validateProxyOptions } from "./options.js";

async function start(options: ProxyOptions, context: ComponentContext): Promise<RunningComponent> {
  const { logger, clock, random, metrics, health } = context;
  const client = await createApiClient({ ...(await loadKubeconfig(options.kubeconfig)), userAgent: "kube-proxy/v1.35.0" }, { clock });
  const informers = new InformerFactory({ client, clock, random, logger });
  const loop = new SyncLoop({
    informers,
    clock,
    logger,
    metrics,
    nodeName: options.hostnameOverride,
    clusterCIDR: options.clusterCidr,
    minSyncPeriodMs: options.nftablesMinSyncPeriod,
  });
  health.register("rules-synced", () => {
    if (!loop.hasSynced) throw new Error("The kernel's rules were not written yet");
  }, ["readyz", "healthz"]);
  const servers = await Promise.all(
    [options.healthzBindAddress, options.metricsBindAddress].flatMap((text) => {
      const bind = parseBindAddress(text);
      return bind === undefined ? [] : [serveHealth({ ...bind, health, metrics })];
    }),
  );
  const tasks = new TaskGroup();
  informers.start();
  tasks.run("sync loop", (signal) => loop.run(signal));
  return {
    failed: Promise.race([tasks.failed, informers.failed]),
    // The rules stay: services keep working while the proxy is away.
    close: async () => {
      await tasks.close();
      await informers.close();
      await client.close();
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

await runComponent({
  name: "lenj-proxy",
  description: "The Lenj proxy makes Services reachable from a node.",
  flags: proxyFlags,
  validate: validateProxyOptions,
  start,
});
