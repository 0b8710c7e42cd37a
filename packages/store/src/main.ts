#!/usr/bin/env node
// The store: one member of a replicated key-value store with etcd's API.
import { type ComponentContext, type RunningComponent, runComponent } from "@lenj/component-base";
import { readCommandLine } from "./command-line.js";
import { isStoreCommand, runStoreCommand } from "./commands/program.js";
import { createConfig } from "./config.js";
import { AutoCompactor } from "./drivers/auto-compactor.js";
import { serveMetrics } from "./drivers/http/metrics-server.js";
import { registerStoreMetrics } from "./drivers/http/store-metrics.js";
import { Member } from "./member.js";
import { ignoredFlags, type StoreOptions, storeFlags, validateStoreOptions } from "./options.js";

async function start(options: StoreOptions, context: ComponentContext): Promise<RunningComponent> {
  const { clock, random, logger, metrics, health, signal } = context;
  const config = createConfig(options);
  const member = await Member.start({ config, clock, random, logger, metrics }, signal);
  registerStoreMetrics(metrics, member);
  health.register("leader", () => {
    if (member.replica.leaderID === 0n) throw new Error("There is no leader");
  }, ["readyz", "healthz"]);
  const closeMetrics = await Promise.all(config.metricsURLs.map((url) => serveMetrics(url, member.metricsHTTP)));
  const compactor = new AutoCompactor(member, config.autoCompaction, clock, logger);
  compactor.start();
  logger.info("Serving", {
    name: config.name,
    member: member.identity.memberID,
    cluster: member.identity.clusterID,
    clientURLs: config.listenClientURLs,
  });
  return {
    failed: member.failed,
    close: async () => {
      compactor.close();
      await member.close();
      await Promise.all(closeMetrics.map((close) => close()));
    },
  };
}

const commandLine = process.argv.slice(2);
if (isStoreCommand(commandLine[0])) {
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort(new Error("interrupted")));
  process.exitCode = await runStoreCommand(commandLine, interrupted.signal);
} else {
  const flags = { ...ignoredFlags, ...storeFlags };
  const { args, problems } = readCommandLine(commandLine, process.env, flags);
  await runComponent({
    commandLine: args,
    name: "lenj-store",
    description:
      "The Lenj store keeps a cluster's state, replicated, behind etcd's API. Commands: snapshot, restore, endpoint, member (see --help of each).",
    flags,
    validate: (options) => [...problems, ...validateStoreOptions(options)],
    start: (options, context) => {
      const given = args.flatMap((arg) => /^--?([A-Za-z][\w-]*)/.exec(arg)?.[1] ?? []).filter((name) => name in ignoredFlags);
      if (given.length > 0) context.logger.info("Ignoring flags that mean nothing here", { flags: given });
      return start(options, context);
    },
  });
}
