#!/usr/bin/env node
// The controller-manager: every control loop of the cluster in one process, of which one of several is active.
import { hostname } from "node:os";
import { TaskGroup } from "@lenj/base";
import { createApiClient, EventSink, InformerFactory, loadKubeconfig } from "@lenj/client";
import { type ComponentContext, type RunningComponent, readTLSFiles, runComponent, serveHealth } from "@lenj/component-base";
import { createQueueMetrics, LeaderElector } from "@lenj/controller-runtime";
import type { Controller, ControllerContext } from "./controller-context.js";
import { createControllers } from "./controller-registry.js";
import { type ControllerManagerOptions, configOf, flags, validateOptions } from "./options.js";

async function start(options: ControllerManagerOptions, component: ComponentContext): Promise<RunningComponent> {
  const { logger, clock, random, metrics, health } = component;
  const client = await createApiClient(
    { ...(await loadKubeconfig(options.kubeconfig)), userAgent: "kube-controller-manager/v1.35.0" },
    { clock },
  );
  const informers = new InformerFactory({ client, clock, random, logger });
  const events = new EventSink({ client, clock, random, logger });
  const context: ControllerContext = {
    client,
    informers,
    clock,
    random,
    logger,
    config: configOf(options),
    recorder: (name) => events.recorder(name),
    queueMetrics: createQueueMetrics(metrics),
  };
  const server =
    options.securePort === 0
      ? undefined
      : await serveHealth({
          address: options.bindAddress,
          port: options.securePort,
          health,
          metrics,
          tls: await servingCertificate(options, clock.wallMs()),
        });
  const tasks = new TaskGroup();
  let controllers: readonly Controller[] = [];
  const run = (): void => {
    controllers = createControllers(context, options.controllers);
    informers.start();
    for (const controller of controllers) controller.start();
    for (const { failed } of controllers) tasks.run("controller watchdog", (signal) => failureOf(failed, signal));
    logger.info("Started controllers", { controllers: controllers.map((controller) => controller.name) });
  };
  if (options.leaderElect) tasks.run("leader election", (signal) => leadAndRun(options, { client, clock, random, logger }, run, signal));
  else run();
  return {
    failed: Promise.race([tasks.failed, informers.failed]),
    // Work ends before the lease is released: two active controller-managers would undo each other's work.
    close: async () => {
      await Promise.all(controllers.map((controller) => controller.close()));
      await informers.close();
      await tasks.close();
      await events.close();
      await server?.close();
      await client.close();
    },
  };
}

async function leadAndRun(
  options: ControllerManagerOptions,
  dependencies: Pick<ControllerContext, "client" | "clock" | "random" | "logger">,
  run: () => void,
  signal: AbortSignal,
): Promise<void> {
  const elector = new LeaderElector({
    ...dependencies,
    config: {
      namespace: options.leaderElectResourceNamespace,
      name: options.leaderElectResourceName,
      identity: `${hostname()}_${Buffer.from(dependencies.random.bytes(16)).toString("hex")}`,
      leaseDurationMs: options.leaderElectLeaseDuration,
      renewDeadlineMs: options.leaderElectRenewDeadline,
      retryPeriodMs: options.leaderElectRetryPeriod,
    },
    onNewLeader: (identity) => dependencies.logger.info("New leader elected", { identity }),
  });
  await elector.acquire(signal);
  run();
  await elector.hold(signal);
  if (!signal.aborted) throw new Error("leaderelection lost");
}

/** Rejects when the controller fails; ends quietly with the signal. */
async function failureOf(failed: Promise<Error>, signal: AbortSignal): Promise<void> {
  const stopped = new Promise<undefined>((resolve) => signal.addEventListener("abort", () => resolve(undefined), { once: true }));
  const error = await Promise.race([failed, stopped]);
  if (error !== undefined) throw error;
}

async function servingCertificate(options: ControllerManagerOptions, nowMs: number): Promise<{ cert: string; key: string }> {
  const { cert, key } = readTLSFiles({ certFile: options.tlsCertFile, keyFile: options.tlsPrivateKeyFile });
  if (cert !== undefined && key !== undefined) return { cert, key };
  const { createAuthority, issueCertificate } = await import("@lenj/component-base/pki");
  const authority = await createAuthority({ commonName: `${hostname()}-ca`, validDays: 365, nowMs });
  return issueCertificate(authority, {
    commonName: hostname(),
    dnsNames: [hostname(), "localhost"],
    ipAddresses: ["127.0.0.1"],
    usages: ["server"],
    validDays: 365,
    nowMs,
  });
}

await runComponent({
  name: "lenj-controller-manager",
  description: "Runs the control loops that bring the cluster to its desired state.",
  flags,
  validate: validateOptions,
  start,
});
