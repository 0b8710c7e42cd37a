#!/usr/bin/env node
// The scheduler: gives every pod without a node the best node that takes it.
import { hostname } from "node:os";
import { TaskGroup } from "@lenj/base";
import { createApiClient, EventSink, InformerFactory, loadKubeconfig } from "@lenj/client";
import { type ComponentContext, type RunningComponent, runComponent, serveHealth, serverIdentity } from "@lenj/component-base";
import { LeaderElector } from "@lenj/controller-runtime";
import { SchedulingLoop } from "./drivers/scheduling-loop.js";
import { type SchedulerOptions, schedulerFlags, validateSchedulerOptions } from "./options.js";
import { defaultPlugins } from "./plugins/index.js";

async function start(options: SchedulerOptions, context: ComponentContext): Promise<RunningComponent> {
  const { logger, clock, random, metrics, health } = context;
  const client = await createApiClient({ ...(await loadKubeconfig(options.kubeconfig)), userAgent: "kube-scheduler/v1.35.0" }, { clock });
  const informers = new InformerFactory({ client, clock, random, logger });
  const events = new EventSink({ client, clock, random, logger });
  const loop = new SchedulingLoop({
    ...{ client, informers, clock, random, logger, metrics },
    recorder: events.recorder(options.schedulerName),
    plugins: defaultPlugins,
    schedulerName: options.schedulerName,
    initialBackoffMs: options.podInitialBackoff,
    maxBackoffMs: options.podMaxBackoff,
  });
  const elector = new LeaderElector({
    config: {
      namespace: options.leaderElectResourceNamespace,
      name: options.leaderElectResourceName,
      identity: `${hostname()}_${Buffer.from(random.bytes(8)).toString("hex")}`,
      leaseDurationMs: options.leaderElectLeaseDuration,
      renewDeadlineMs: options.leaderElectRenewDeadline,
      retryPeriodMs: options.leaderElectRetryPeriod,
    },
    ...{ client, clock, random, logger },
  });
  health.register("informer-sync", () => {
    if (!informers.hasSynced) throw new Error(`Not synced: ${informers.unsynced().join(", ")}`);
  }, ["readyz"]);
  const server =
    options.securePort === 0
      ? undefined
      : await serveHealth({
          address: options.bindAddress,
          port: options.securePort,
          health,
          metrics,
          tls: await serverIdentity(options, clock.wallMs()),
        });

  const election = new TaskGroup();
  const work = new TaskGroup();
  informers.start();
  election.run("scheduling", async (signal) => {
    if (options.leaderElect) await elector.acquire(signal);
    work.run("scheduling loop", (workSignal) => loop.run(workSignal));
    if (!options.leaderElect) return;
    await elector.hold(signal);
    // Another scheduler may lead from here on: this process must not go on.
    if (!signal.aborted) throw new Error("Leader election lost");
  });
  return {
    failed: Promise.race([election.failed, work.failed, informers.failed]),
    close: async () => {
      // The lease goes last: nobody else may schedule while a binding of ours is under way.
      await work.close();
      await election.close();
      await informers.close();
      await events.close();
      await client.close();
      await server?.close();
    },
  };
}

await runComponent({
  name: "lenj-scheduler",
  description: "The Lenj scheduler assigns pods to nodes.",
  flags: schedulerFlags,
  validate: validateSchedulerOptions,
  start,
});
