#!/usr/bin/env node
// Cluster DNS: names of Services and pods, from the api-server's objects.
import { createApiClient, InformerFactory, loadKubeconfig } from "@lenj/client";
import { type ComponentContext, type RunningComponent, runComponent, serveHealth } from "@lenj/component-base";
import { Counter } from "prom-client";
import { answerQuestion } from "./core/answers.js";
import { createClusterView } from "./drivers/cluster-view.js";
import { DNSServer } from "./drivers/dns-server.js";
import { type DNSOptions, dnsFlags, parseBindAddress, validateDNSOptions } from "./options.js";

async function start(options: DNSOptions, context: ComponentContext): Promise<RunningComponent> {
  const { logger, clock, random, metrics, health } = context;
  const client = await createApiClient({ ...(await loadKubeconfig(options.kubeconfig)), userAgent: "lenj-dns/v1.35.0" }, { clock });
  const informers = new InformerFactory({ client, clock, random, logger });
  // Secondaries and caches compare it; it grows with every change.
  let serial = Math.floor(clock.wallMs() / 1_000);
  const view = createClusterView(informers, () => {
    serial = Math.max(serial + 1, Math.floor(clock.wallMs() / 1_000));
  });
  const requests = new Counter({
    name: "coredns_dns_requests_total",
    help: "Counter of DNS requests made per zone, protocol and family.",
    labelNames: ["type"],
    registers: [metrics],
  });
  const responses = new Counter({
    name: "coredns_dns_responses_total",
    help: "Counter of response status codes.",
    labelNames: ["rcode"],
    registers: [metrics],
  });
  const listen = parseBindAddress(options.listenAddress) ?? { address: "0.0.0.0", port: 53 };
  const server = await DNSServer.start({
    ...listen,
    answer: (question) => {
      requests.inc({ type: question.type });
      // Before the first complete state a missing name would be a lie.
      const reply = informers.hasSynced ? answerQuestion(question, view, options.clusterDomain, serial) : ({ rcode: "SERVFAIL" } as const);
      responses.inc({ rcode: reply.rcode });
      return reply;
    },
  });
  health.register("informer-sync", () => {
    if (!informers.hasSynced) throw new Error(`Not synced: ${informers.unsynced().join(", ")}`);
  }, ["readyz"]);
  const bind = parseBindAddress(options.healthzBindAddress);
  const healthServer = bind === undefined ? undefined : await serveHealth({ ...bind, health, metrics });
  informers.start();
  return {
    failed: informers.failed,
    close: async () => {
      await server.close();
      await informers.close();
      await client.close();
      await healthServer?.close();
    },
  };
}

await runComponent({
  name: "lenj-dns",
  description: "Lenj DNS answers the names of a cluster's Services and pods.",
  flags: dnsFlags,
  validate: validateDNSOptions,
  start,
});
