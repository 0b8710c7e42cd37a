// Entry of the supervisor process, inside the lab's namespaces. `lenj up` starts it and hands it its listeners.
import type { Server } from "node:net";
import { SystemClock } from "@lenj/base";
import { createApiClient, loadKubeconfig, resources } from "@lenj/client";
import { createLogger } from "@lenj/component-base";
import type { corev1 } from "@lenj/proto/k8s";
import type { LabStatus, SupervisorStart } from "./core/control.js";
import { fabric } from "./core/topology.js";
import { bringUp, isNodeReady, Progress, readStores } from "./drivers/bring-up.js";
import { serveControl } from "./drivers/control-server.js";
import { readLab } from "./drivers/lab-state.js";
import { Supervisor } from "./drivers/supervisor.js";
import { serveRegistry } from "./images/registry.js";

const logger = createLogger({ component: "lenj-supervisor", format: "json", level: "info" });

async function main(start: SupervisorStart, listeners: readonly Server[]): Promise<void> {
  const clock = new SystemClock();
  const { config, paths } = readLab(start.state);
  const supervisor = new Supervisor(config, paths);
  const progress = new Progress(clock);
  const stop = new AbortController();
  const client = await createApiClient(await loadKubeconfig(`${paths.kubeconfigs}/admin-inside`), { clock });

  const status = async (): Promise<LabStatus> => {
    const [stores, nodes] = await Promise.all([readStores(config), readyNodeNames()]);
    return supervisor.status(progress.phase, stores, nodes);
  };
  const readyNodeNames = async (): Promise<Set<string>> => {
    try {
      const { items } = await client.list<corev1.Node>(resources.nodes, { signal: AbortSignal.timeout(2_000) });
      return new Set(items.filter(isNodeReady).map((node) => node.metadata?.name ?? ""));
    } catch {
      return new Set();
    }
  };
  const closeControl = await serveControl(`${paths.sockets}/control.sock`, {
    supervisor,
    status,
    progress: () => progress.follow(),
    stop: () => stop.abort(new Error("Asked to stop")),
  });
  // The command may ask from here on.
  process.send?.({ type: "received" }, () => process.disconnect());
  process.on("SIGTERM", () => stop.abort(new Error("Received SIGTERM")));
  stop.signal.addEventListener("abort", () => {
    logger.info("Stopping");
    supervisor
      .close()
      .then(() => client.close())
      .then(closeControl)
      .catch((error: unknown) => logger.error("Stop failed", { error }))
      .finally(() => process.exit(0));
  });

  try {
    await supervisor.buildWorld();
    supervisor.addCloser(await serveRegistry({ address: fabric.address, port: fabric.registryPort, folder: `${paths.state}/registry` }));
    start.listeners.forEach((name, position) => supervisor.addRelay(name, listeners[position] as Server));
    progress.step(`world: network and ${config.nodes} nodes${supervisor.hasCgroups ? "" : " (without cgroups)"}`);
    supervisor.startAll();
    await bringUp({ supervisor, config, client, clock, progress, signal: stop.signal });
    progress.ready();
    logger.info("Lab ready");
  } catch (error) {
    if (stop.signal.aborted) return;
    logger.error("Lab failed to start", { error });
    progress.failed(error instanceof Error ? error.message : String(error));
  }
}

/** Collects the start message and the listeners that follow it. */
function receiveStart(): Promise<[SupervisorStart, Server[]]> {
  return new Promise((resolve) => {
    let start: SupervisorStart | undefined;
    const listeners: Server[] = [];
    process.on("message", (message: SupervisorStart | { type: "listener" }, handle) => {
      if (message.type === "start") start = message;
      else listeners.push(handle as Server);
      if (start === undefined || listeners.length < start.listeners.length) return;
      resolve([start, listeners]);
    });
  });
}

process.on("uncaughtException", (error) => logger.error("Unexpected error", { error }));
process.on("unhandledRejection", (error) => logger.error("Unexpected rejection", { error }));
await main(...(await receiveStart()));
