#!/usr/bin/env node
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
// One-shot and supporting services of set-ups whose processes the lab's supervisor does not start: containers, or a host a process.
//
// The addresses are those of the lab's plan (core/topology.ts), so that its certificates fit.
import { setTimeout as sleep } from "node:timers/promises";
import { SystemClock } from "@lenj/base";
import { createApiClient, isAlreadyExists, loadKubeconfig } from "@lenj/client";
import { Command, InvalidArgumentError } from "commander";
import { clusterObjects } from "./core/cluster-objects.js";
import { formatKubeconfig } from "./core/kubeconfig.js";
import type { LabConfig, LabPaths } from "./core/topology.js";
import { ensureCredentials } from "./drivers/pki.js";

const retryMs = 500;

const program = new Command("lenj-deploy")
  .description("services for clusters that run as containers or on hosts of their own")
  .showHelpAfterError();

program
  .command("credentials")
  .description("make what is missing of the cluster's authorities, certificates and kubeconfigs, then end")
  .requiredOption("--state <folder>", "where they are kept: pki/ and kubeconfigs/ below it")
  .option("--kubeconfig <file>", "write the administrator's kubeconfig for 127.0.0.1 here too")
  .option("--store-replicas <number>", "store replicas", parseCount, 3)
  .option("--nodes <number>", "nodes", parseCount, 2)
  .option("--port <port>", "port of the api-server on 127.0.0.1", parseCount, Number(process.env["LENJ_PORT"] ?? 6443))
  .option("--grpc-port <port>", "port of its gRPC API on 127.0.0.1", parseCount, Number(process.env["LENJ_GRPC_PORT"] ?? 6444))
  .action(makeCredentials);

program
  .command("addons")
  .description("wait for the api-server, add cluster DNS's Service and role to the cluster, then end")
  .requiredOption("--kubeconfig <file>", "kubeconfig of an administrator")
  .action(addAddons);

program
  .command("registry")
  .description("make Lenj's own images where missing and serve the folder to runtimes")
  .requiredOption("--folder <folder>", "where the images are kept")
  .option("--address <address>", "address to listen on", "0.0.0.0")
  .option("--port <port>", "port to listen on", parseCount, 5000)
  .action(runRegistry);

interface CredentialsOptions {
  readonly state: string;
  readonly kubeconfig?: string;
  readonly storeReplicas: number;
  readonly nodes: number;
  readonly port: number;
  readonly grpcPort: number;
}

async function makeCredentials({ state, kubeconfig, storeReplicas, nodes, port, grpcPort }: CredentialsOptions): Promise<void> {
  const config: LabConfig = {
    id: "deploy",
    nodes,
    storeReplicas,
    ports: { apiserver: port, grpc: 6444, stores: [] },
    containerRuntime: "embedded",
  };
  const paths: LabPaths = {
    state,
    pki: `${state}/pki`,
    kubeconfigs: `${state}/kubeconfigs`,
    logs: `${state}/logs`,
    hosts: `${state}/hosts`,
    sockets: `${state}/sockets`,
  };
  mkdirSync(state, { recursive: true, mode: 0o700 });
  await ensureCredentials(config, paths, new SystemClock().wallMs());
  if (kubeconfig === undefined) return;
  const pem = (file: string): string => readFileSync(`${paths.pki}/${file}`, "utf8");
  const text = formatKubeconfig({
    cluster: "lenj",
    user: "admin",
    server: `https://127.0.0.1:${port}`,
    grpcServer: `127.0.0.1:${grpcPort}`,
    ca: pem("ca.crt"),
    cert: pem("admin.crt"),
    key: pem("admin.key"),
  });
  writeFileSync(kubeconfig, text, { mode: 0o600 });
}

async function addAddons({ kubeconfig }: { kubeconfig: string }): Promise<void> {
  const client = await createApiClient(await loadKubeconfig(kubeconfig), { clock: new SystemClock() });
  for (const { resource, object } of clusterObjects()) {
    let reported = "";
    for (;;) {
      try {
        await client.create(resource, object, {});
        break;
      } catch (error) {
        if (isAlreadyExists(error)) break;
        // The api-server may not be up, or its namespace not be there yet: said once, then tried until it works.
        const words = error instanceof Error ? error.message : String(error);
        if (words !== reported) process.stderr.write(`Waiting to create ${object.kind ?? ""} ${object.metadata?.name ?? ""}: ${words}\n`);
        reported = words;
        await sleep(retryMs);
      }
    }
    process.stdout.write(`${object.kind ?? ""} ${object.metadata?.name ?? ""} is there\n`);
  }
  await client.close();
}

async function runRegistry({ folder, address, port }: { folder: string; address: string; port: number }): Promise<void> {
  const [{ ensureOwnImages }, { ImageStore }, { serveRegistry }] = await Promise.all([
    import("./images/build.js"),
    import("./images/image-store.js"),
    import("./images/registry.js"),
  ]);
  const made = await ensureOwnImages(new ImageStore(folder));
  for (const name of made) process.stdout.write(`made ${name}\n`);
  const close = await serveRegistry({ address, port, folder });
  process.stdout.write(`serving images on ${address}:${port}\n`);
  process.once("SIGTERM", () => void close().then(() => process.exit(0)));
}

function parseCount(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1) throw new InvalidArgumentError("Must be a whole number of at least 1.");
  return Number(text);
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`lenj-deploy: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
