#!/usr/bin/env node
// The store: one member of a replicated key-value store with etcd's API.
import { readFileSync } from "node:fs";
import { type ComponentContext, parseFlags, type RunningComponent, runComponent } from "@lenj/component-base";
import { isStoreCommand, runStoreCommand } from "./commands/program.js";
import { createConfig, type StoreConfig, type TLSFiles } from "./config.js";
import { AutoCompactor, historyOf } from "./drivers/auto-compactor.js";
import { serveMetrics } from "./drivers/http/metrics-server.js";
import { registerStoreMetrics } from "./drivers/http/store-metrics.js";
import { ensureOwnCertificate } from "./drivers/tls/own-certificate.js";
import { readCommandLine } from "./flags/command-line.js";
import { judgeUnserved, unservedFlagSpecs } from "./flags/etcd-flags.js";
import { choiceFlag, numberFlag, switchFlag } from "./flags/flag-kinds.js";
import { Member } from "./member.js";
import { loggingOf, type StoreOptions, storeFlags, validateStoreOptions } from "./options.js";
import { storeVersion } from "./services/context.js";

async function start(options: StoreOptions, context: ComponentContext): Promise<RunningComponent> {
  const { clock, random, logger, metrics, health, signal } = context;
  const config = createConfig(options);
  await makeOwnCertificates(config, clock.wallMs());
  const member = await Member.start({ config, clock, random, logger, metrics }, signal);
  registerStoreMetrics(metrics, member);
  health.register("leader", () => {
    if (member.replica.leaderID === 0n) throw new Error("There is no leader");
  }, ["readyz", "healthz"]);
  const closeMetrics = await Promise.all(config.metricsURLs.map((url) => serveMetrics(url, config.clientTLS, member.metricsHTTP)));
  const compactor = new AutoCompactor(historyOf(member), config.autoCompaction, clock, logger);
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

async function makeOwnCertificates(
  { dataDir, listenClientURLs, listenPeerURLs, metricsURLs, clientTLS, peerTLS, selfSignedYears }: StoreConfig,
  nowMs: number,
): Promise<void> {
  const make = async ({ isSelfMade }: TLSFiles, face: "client" | "peer", urls: readonly string[]): Promise<void> => {
    const hosts = urls.filter((url) => url.startsWith("https:")).map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ""));
    if (isSelfMade && hosts.length > 0)
      await ensureOwnCertificate({ folder: `${dataDir}/fixtures/${face}`, hosts, validYears: selfSignedYears, nowMs });
  };
  await make(clientTLS, "client", [...listenClientURLs, ...metricsURLs]);
  await make(peerTLS, "peer", listenPeerURLs);
}

async function runMember(argv: readonly string[]): Promise<void> {
  const flags = { ...unservedFlagSpecs, ...storeFlags };
  const known = { ...flags, ...processFlags };
  const commandLine = readCommandLine({ args: argv, environment: process.env, readText: (file) => readFileSync(file, "utf8") }, known);
  if (commandLine.kind === "version") {
    process.stdout.write(versionText);
    return;
  }
  if (commandLine.kind === "unreadable") {
    process.stderr.write(`${commandLine.problem}\n${usageText}`);
    process.exitCode = 2;
    return;
  }
  const args = commandLine.kind === "run" ? commandLine.args : [];
  const judged = judgeUnserved(args);
  const { values } = parseFlags(known, args);
  const problems =
    commandLine.kind === "invalid"
      ? [commandLine.problem]
      : [...judged.problems, ...validateStoreOptions(values, commandLine.kind === "run" ? commandLine.given : undefined)];
  if (problems.length > 0) {
    for (const problem of problems) process.stderr.write(`error verifying flags, ${problem}. See 'lenj-store --help'.\n`);
    process.exitCode = 1;
    return;
  }
  await runComponent({
    commandLine: commandLine.kind === "help" ? ["--help"] : args,
    name: "lenj-store",
    description:
      "The Lenj store keeps a cluster's state, replicated, behind etcd's API. Commands: snapshot, restore, endpoint, member (see --help of each).",
    flags,
    logging: loggingOf,
    start: (options, context) => {
      if (commandLine.kind === "run") for (const warning of commandLine.warnings) context.logger.warn(warning);
      for (const [flag, reason] of Object.entries(judged.reasons)) context.logger.info("Flag changes nothing here", { flag, reason });
      return start(options, context);
    },
  });
}

/** Flags of every process of a cluster. */
const processFlags = {
  v: numberFlag("Log verbosity", 0),
  "log-format": choiceFlag("Form of log lines", "json", ["json", "text"]),
  version: switchFlag("Print the version and exit"),
};

/** Scripts read the version of etcd's API from the first line. */
const versionText = `etcd Version: ${storeVersion}
Lenj store: 0.1.0
Node.js Version: ${process.version}
Node.js OS/Arch: ${process.platform}/${process.arch}
`;

const usageText = `Usage:

  lenj-store [flags]
    Start a member.

  lenj-store --version
    Show the version of etcd that it stands in for.

  lenj-store -h | --help
    Show the flags.

  lenj-store --config-file
    Path to the configuration file. If it is given, other command line flags and environment variables are ignored.

  lenj-store snapshot | restore | endpoint | member
    Work on snapshots and running members.

`;

const argv = process.argv.slice(2);
if (isStoreCommand(argv[0])) {
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort(new Error("interrupted")));
  process.exitCode = await runStoreCommand(argv, interrupted.signal);
} else await runMember(argv);
