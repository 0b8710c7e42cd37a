// The one place that knows winston. Lines go to standard error, as upstream's components write theirs.
import { openSync, writeSync } from "node:fs";
import { Writable } from "node:stream";
import { format as formatText } from "node:util";
import type { LogFields, Logger } from "@lenj/base";
import { createLogger as createWinston, format, transports, type Logger as Winston } from "winston";

/** A chain of causes may be a ring. */
const causesMax = 5;

export type LogFormat = "json" | "text";
export type LogLevel = "error" | "warn" | "info" | "debug";

export interface LoggingChoice {
  readonly level?: LogLevel;
  /** "stderr", "stdout", or files, which lines are appended to. Default: standard error. */
  readonly outputs?: readonly string[];
}

export interface LoggingOptions extends LoggingChoice {
  readonly component: string;
  readonly format: LogFormat;
  readonly level: LogLevel;
}

/** A logger writing one JSON object (or text) a line with `time`, `level`, `component`, `message` and the fields. */
export function createLogger(options: LoggingOptions): Logger {
  const winston = createWinston({
    level: options.level,
    format: options.format === "json" ? jsonFormat : textFormat,
    transports: (options.outputs ?? ["stderr"]).map(createTransport),
  });
  return new WinstonLogger(winston, { component: options.component });
}

/** From here on what libraries print to the console (grpc-js does) are lines of `logger` too. */
export function redirectConsole(logger: Logger): void {
  const levels = { error: "error", warn: "warn", info: "info", log: "info", debug: "debug" } as const;
  for (const [name, level] of Object.entries(levels)) {
    Object.assign(console, { [name]: (...args: unknown[]): void => logger[level](formatText(...args)) });
  }
}

function createTransport(output: string): InstanceType<typeof transports.Stream> {
  if (output === "stderr") return new transports.Stream({ stream: process.stderr });
  if (output === "stdout") return new transports.Stream({ stream: process.stdout });
  // Appended synchronously: the process ends without waiting for streams, and the last lines are those that say why.
  const file = openSync(output, "a", 0o600);
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      writeSync(file, chunk);
      done();
    },
  });
  return new transports.Stream({ stream });
}

const jsonFormat = format.printf((info) => JSON.stringify({ time: new Date().toISOString(), ...info }, encodeField));

const textFormat = format.printf(({ level, message, component, ...fields }) => {
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === "string" ? JSON.stringify(value) : JSON.stringify(value, encodeField)}`,
  );
  return `${new Date().toISOString()} ${level.toUpperCase().padEnd(5)} ${String(component)}: ${String(message)}${rest.join("")}`;
});

function encodeField(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString(16);
  if (value instanceof Error) return describeError(value);
  return value;
}

/** With what caused it: "cannot write" alone does not tell a full disk from a broken one. */
function describeError(error: Error, depth = 0): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error && depth < causesMax ? `${own}\n[cause]: ${describeError(error.cause, depth + 1)}` : own;
}

class WinstonLogger implements Logger {
  readonly isDebugEnabled: boolean;

  constructor(
    readonly winston: Winston,
    readonly fields: LogFields,
  ) {
    this.isDebugEnabled = winston.isLevelEnabled("debug");
  }

  error(message: string, fields?: LogFields): void {
    this.winston.log({ level: "error", message, ...this.fields, ...fields });
  }

  warn(message: string, fields?: LogFields): void {
    this.winston.log({ level: "warn", message, ...this.fields, ...fields });
  }

  info(message: string, fields?: LogFields): void {
    this.winston.log({ level: "info", message, ...this.fields, ...fields });
  }

  debug(message: string, fields?: LogFields): void {
    // A disabled winston level still costs microseconds; hot paths call this.
    if (this.isDebugEnabled) this.winston.log({ level: "debug", message, ...this.fields, ...fields });
  }

  child(fields: LogFields): Logger {
    return new WinstonLogger(this.winston, { ...this.fields, ...fields });
  }
}
