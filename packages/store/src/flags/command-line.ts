// What a member is told to do: by flags, for those that are not given by variables ETCD_<FLAG>, or by a file instead of both.
//
// C1. Flags are read as Go's flag package does, and the first thing wrong with them is told in its words.
// C2. With --config-file (or ETCD_CONFIG_FILE) nothing else counts.
// Source: etcd server/etcdmain/config.go, pkg/flags.
import type { FlagSpec, FlagSpecs } from "@lenj/component-base";
import { type ReadText, readConfigFile } from "./config-file.js";

export type CommandLine =
  /** Flags only, each as `--name=value`. */
  | { readonly kind: "run"; readonly args: readonly string[]; readonly given: ReadonlySet<string>; readonly warnings: readonly string[] }
  | { readonly kind: "help" | "version" }
  /** Not to be read: upstream shows its usage and ends with 2. */
  | { readonly kind: "unreadable"; readonly problem: string }
  /** Read, but not to be followed: upstream ends with 1. */
  | { readonly kind: "invalid"; readonly problem: string };

export interface CommandLineSources {
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly readText: ReadText;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Given {
  readonly name: string;
  readonly text: string;
}

export function readCommandLine({ args, environment, readText }: CommandLineSources, specs: FlagSpecs): CommandLine {
  const read = readFlags(args, specs);
  if (!("flags" in read)) return read;
  const flags = new Map(read.flags.map(({ name, text }) => [name, text]));
  if (flags.get("version") === "true") return { kind: "version" };
  const file = flags.get("config-file") || environment[variableOf("config-file")] || "";
  if (file !== "") return fromFile(file, specs, readText);
  const variables = readVariables(environment, specs, flags);
  if ("problem" in variables) return { kind: "invalid", problem: variables.problem };
  const all = new Map([...variables.flags.map(({ name, text }) => [name, text] as const), ...flags]);
  return { kind: "run", args: asArgs(all), given: new Set(all.keys()), warnings: variables.warnings };
}

/** `args` as Go reads them: up to the first that is no flag, which then is one too many. */
function readFlags(args: readonly string[], specs: FlagSpecs): CommandLine | { readonly flags: readonly Given[] } {
  const flags: Given[] = [];
  for (let position = 0; position < args.length; position += 1) {
    const argument = args[position] as string;
    if (argument.length < 2 || !argument.startsWith("-")) return stray(argument);
    if (argument === "--") return position + 1 < args.length ? stray(args[position + 1] as string) : { flags };
    const [, name = "", text] = /^--?([^=]*)(?:=([\s\S]*))?$/.exec(argument) ?? [];
    if (name === "" || name.startsWith("-")) return { kind: "unreadable", problem: `bad flag syntax: ${argument}` };
    if (name === "help" || name === "h") return { kind: "help" };
    const spec = specs[name];
    if (spec === undefined) return { kind: "unreadable", problem: `flag provided but not defined: -${name}` };
    if (text === undefined && !spec.isSwitch && position + 1 >= args.length)
      return { kind: "unreadable", problem: `flag needs an argument: -${name}` };
    const value = text ?? (spec.isSwitch ? "true" : (args[++position] as string));
    const reason = refusalOf(spec, value);
    if (reason !== undefined) {
      const what = spec.isSwitch ? "invalid boolean value" : "invalid value";
      return { kind: "unreadable", problem: `${what} ${JSON.stringify(value)} for ${spec.isSwitch ? "" : "flag "}-${name}: ${reason}` };
    }
    flags.push({ name, text: value });
  }
  return { flags };
}

const stray = (argument: string): CommandLine => ({ kind: "invalid", problem: `'${argument}' is not a valid flag` });

function readVariables(
  environment: Environment,
  specs: FlagSpecs,
  flags: ReadonlyMap<string, string>,
): { readonly flags: readonly Given[]; readonly warnings: readonly string[] } | { readonly problem: string } {
  const found: Given[] = [];
  const known = new Set<string>();
  for (const [name, spec] of Object.entries(specs)) {
    const variable = variableOf(name);
    known.add(variable);
    const value = environment[variable];
    // etcd takes no version from there, since images set it to say which etcd they hold.
    if (value === undefined || value === "" || name === "version") continue;
    if (flags.has(name))
      return {
        problem: `conflicting environment variable "${variable}" is shadowed by corresponding command-line flag (either unset environment variable or disable flag)`,
      };
    const reason = refusalOf(spec, value);
    if (reason !== undefined) return { problem: `invalid value ${JSON.stringify(value)} for ${variable}: ${reason}` };
    found.push({ name, text: value });
  }
  const unknown = Object.keys(environment).filter((variable) => variable.startsWith("ETCD_") && !known.has(variable));
  return { flags: found, warnings: unknown.map((variable) => `unrecognized environment variable ${variable}=${environment[variable]}`) };
}

function fromFile(file: string, specs: FlagSpecs, readText: ReadText): CommandLine {
  const { flags, unknown, problem } = readConfigFile(file, specs, readText);
  if (problem !== undefined) return { kind: "invalid", problem };
  for (const [name, text] of flags) {
    const reason = refusalOf(specs[name] as FlagSpec<unknown>, text);
    if (reason !== undefined) return { kind: "invalid", problem: `invalid value ${JSON.stringify(text)} for ${name}: ${reason}` };
  }
  const warnings = [
    `Loading server configuration from ${JSON.stringify(file)}. Other configuration command line flags and environment variables will be ignored if provided.`,
    ...unknown.map((key) => `unrecognized configuration ${key}`),
  ];
  return { kind: "run", args: asArgs(flags), given: new Set(flags.keys()), warnings };
}

const variableOf = (name: string): string => `ETCD_${name.toUpperCase().replaceAll("-", "_")}`;

const asArgs = (flags: ReadonlyMap<string, string>): string[] => [...flags].map(([name, text]) => `--${name}=${text}`);

function refusalOf(spec: FlagSpec<unknown>, text: string): string | undefined {
  try {
    spec.parse(text, undefined as never);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
