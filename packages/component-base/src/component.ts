// Life of a process: flags, logger, health and metrics, signals, orderly stop.
import { type Clock, type Logger, type Random, SystemClock, SystemRandom } from "@lenj/base";
import type { Registry } from "prom-client";
import { boolFlag, type FlagSpecs, type FlagValues, formatUsage, type ParsedFlags, parseFlags, stringFlag } from "./flags.js";
import { HealthChecks } from "./health.js";
import { createLogger, type LogFormat, type LoggingChoice, redirectConsole } from "./logging.js";
import { createMetrics } from "./metrics.js";

/** What a component is given to run in. */
export interface ComponentContext {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** The process's Prometheus registry; served at /metrics. */
  readonly metrics: Registry;
  /** Named checks behind /healthz, /livez and /readyz. */
  readonly health: HealthChecks;
  /** Aborted when the process was told to stop. */
  readonly signal: AbortSignal;
}

/** A started component. */
export interface RunningComponent {
  /** Stops accepting, finishes accepted work, releases everything. Called once, on SIGTERM or SIGINT or after `failed`. */
  close(): Promise<void>;
  /** Resolves if the component cannot go on; the process then closes it and exits 1. */
  readonly failed?: Promise<Error>;
}

export interface ComponentDefinition<F extends FlagSpecs> {
  /** As in process lists and logs: "lenj-scheduler". */
  readonly name: string;
  readonly description: string;
  readonly flags: F;
  /** Default: the process's own. */
  readonly commandLine?: readonly string[];
  /** Everything wrong with the options beyond single flags; all of it is reported at once. */
  readonly validate?: (options: FlagValues<F>, given: ReadonlySet<string>) => readonly string[];
  /** What flags of the component's own say about logging. Default: `--v` decides, and lines go to standard error. */
  readonly logging?: (options: FlagValues<F>) => LoggingChoice;
  readonly start: (options: FlagValues<F>, context: ComponentContext) => Promise<RunningComponent>;
}

const commonFlags = {
  v: stringFlag("Log verbosity: 0 is info, 4 and more is debug", "0"),
  "log-format": stringFlag("Form of log lines: json or text", "json"),
  version: boolFlag("Print the version and exit"),
} as const;

/** Accepted work gets this long to finish after SIGTERM; then the process ends with exit code 1. */
const closeTimeoutMs = 30_000;

/**
 * Runs a component until SIGTERM or SIGINT and ends the process: 0 after an orderly stop, 1 when it failed, 2 for bad flags.
 * A second signal ends it at once.
 */
export async function runComponent<F extends FlagSpecs>(definition: ComponentDefinition<F>): Promise<void> {
  const specs = { ...commonFlags, ...definition.flags };
  const parsed = parseFlags(specs, definition.commandLine ?? process.argv.slice(2));
  if (parsed.help) {
    process.stdout.write(formatUsage(definition.name, definition.description, specs));
    return;
  }
  const common = parsed.values as FlagValues<typeof commonFlags>;
  if (common.version) {
    process.stdout.write(`${definition.name} v0.1.0\n`);
    return;
  }
  const options = parsed.values as unknown as FlagValues<F>;
  const problems = [...parsed.problems, ...commonProblems(common), ...validationProblems(definition, options, parsed)];
  if (problems.length > 0) {
    process.stderr.write(`${problems.map((problem) => `Error: ${problem}`).join("\n")}\n`);
    process.exitCode = 2;
    return;
  }
  const logging = definition.logging?.(options) ?? {};
  const logger = createLogger({
    ...logging,
    component: definition.name,
    format: common.logFormat as LogFormat,
    level: Number(common.v) >= 4 ? "debug" : (logging.level ?? "info"),
  });
  redirectConsole(logger);
  process.exitCode = await runUntilStopped(definition, options, logger);
  // Components own their resources; what is left then is idle keep-alive sockets of libraries.
  process.exit();
}

/** What validation finds beside the flags that could not even be read, whose values are not what was meant. */
function validationProblems<F extends FlagSpecs>(
  definition: ComponentDefinition<F>,
  options: FlagValues<F>,
  parsed: ParsedFlags<F>,
): string[] {
  const unreadable = new Set(parsed.problems.flatMap((problem) => /--[a-z0-9-]+/g.exec(problem)?.[0] ?? []));
  const found = definition.validate?.(options, parsed.given) ?? [];
  return found.filter((problem) => ![...problem.matchAll(/--[a-z0-9-]+/g)].some(([flag]) => unreadable.has(flag)));
}

function commonProblems(common: FlagValues<typeof commonFlags>): string[] {
  const problems: string[] = [];
  if (!/^\d+$/.test(common.v)) problems.push(`invalid argument ${JSON.stringify(common.v)} for "--v" flag: must be a number`);
  if (common.logFormat !== "json" && common.logFormat !== "text") {
    problems.push(`invalid argument ${JSON.stringify(common.logFormat)} for "--log-format" flag: must be "json" or "text"`);
  }
  return problems;
}

async function runUntilStopped<F extends FlagSpecs>(
  definition: ComponentDefinition<F>,
  options: FlagValues<F>,
  logger: Logger,
): Promise<number> {
  const stop = new AbortController();
  const stopped = new Promise<"signal">((resolve) => {
    const onSignal = (signalName: NodeJS.Signals): void => {
      if (stop.signal.aborted) process.exit(1);
      logger.info("Stopping", { signal: signalName });
      stop.abort(new Error(`Received ${signalName}`));
      resolve("signal");
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
  const crashed = new Promise<Error>((resolve) => {
    process.on("uncaughtException", (error: Error) => resolve(error));
    process.on("unhandledRejection", (reason) => resolve(reason instanceof Error ? reason : new Error(String(reason))));
  });
  const context: ComponentContext = {
    logger,
    clock: new SystemClock(),
    random: new SystemRandom(),
    metrics: createMetrics(),
    health: new HealthChecks(),
    signal: stop.signal,
  };
  let running: RunningComponent;
  try {
    running = await Promise.race([definition.start(options, context), crashed.then((error) => Promise.reject(error))]);
  } catch (error) {
    if (stop.signal.aborted) return 0;
    logger.error("Failed to start", { error });
    return 1;
  }
  logger.info("Started");
  const outcome = await Promise.race([stopped, crashed, ...(running.failed === undefined ? [] : [running.failed])]);
  if (outcome !== "signal") {
    logger.error("Failed", { error: outcome });
    stop.abort(outcome);
  }
  const closed = await closeInTime(running, logger);
  logger.info("Stopped");
  return outcome === "signal" && closed ? 0 : 1;
}

async function closeInTime(running: RunningComponent, logger: Logger): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), closeTimeoutMs);
  });
  try {
    const closed = await Promise.race([running.close().then(() => true), timedOut]);
    if (!closed) logger.error("Stop did not finish in time", { timeoutMs: closeTimeoutMs });
    return closed;
  } catch (error) {
    logger.error("Stop failed", { error });
    return false;
  } finally {
    clearTimeout(timer);
  }
}
