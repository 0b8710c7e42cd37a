// Command-line flags in the manner of Kubernetes' components: long names, Go durations, lists by comma or repetition.
//
// All problems of a command line are collected and reported together, so that one run shows everything to mend.

export interface FlagSpec<T> {
  readonly description: string;
  readonly default: T;
  /** How the value is shown in --help: string, int, duration, ... Empty for switches. */
  readonly placeholder: string;
  /** Combines an occurrence with what earlier occurrences gave (undefined at the first). Throws Error with the reason. */
  readonly parse: (text: string, previous: never) => T;
  /** True for switches: `--flag` alone means true. */
  readonly isSwitch: boolean;
}

export type FlagSpecs = Readonly<Record<string, FlagSpec<unknown>>>;

type CamelCase<S extends string> = S extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : S;

/** The parsed options: one property a flag, its name in camelCase. */
export type FlagValues<F extends FlagSpecs> = { readonly [K in keyof F & string as CamelCase<K>]: F[K]["default"] };

export function stringFlag(description: string, defaultValue = ""): FlagSpec<string> {
  return { description, default: defaultValue, placeholder: "string", parse: (text) => text, isSwitch: false };
}

export function intFlag(description: string, defaultValue: number): FlagSpec<number> {
  return {
    description,
    default: defaultValue,
    placeholder: "int",
    parse: (text) => {
      if (!/^[+-]?\d+$/.test(text)) throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
      return Number(text);
    },
    isSwitch: false,
  };
}

export function floatFlag(description: string, defaultValue: number): FlagSpec<number> {
  return {
    description,
    default: defaultValue,
    placeholder: "float",
    parse: (text) => {
      const value = Number(text);
      if (text.trim() === "" || Number.isNaN(value)) throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`);
      return value;
    },
    isSwitch: false,
  };
}

export function boolFlag(description: string, defaultValue = false): FlagSpec<boolean> {
  return {
    description,
    default: defaultValue,
    placeholder: "",
    parse: (text) => {
      if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
      if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
      throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
    },
    isSwitch: true,
  };
}

/** A Go duration ("1m30s") given in the options as milliseconds. */
export function durationFlag(description: string, defaultMs: number): FlagSpec<number> {
  return { description, default: defaultMs, placeholder: "duration", parse: (text) => parseDuration(text), isSwitch: false };
}

/** Values separated by commas; the flag may be repeated. */
export function listFlag(description: string, defaultValue: readonly string[] = []): FlagSpec<readonly string[]> {
  return {
    description,
    default: defaultValue,
    placeholder: "strings",
    parse: (text, previous: readonly string[] | undefined) => [...(previous ?? []), ...text.split(",").filter((part) => part !== "")],
    isSwitch: false,
  };
}

/** `key=value` pairs separated by commas; the flag may be repeated. */
export function mapFlag(
  description: string,
  defaultValue: Readonly<Record<string, string>> = {},
): FlagSpec<Readonly<Record<string, string>>> {
  return {
    description,
    default: defaultValue,
    placeholder: "mapStringString",
    parse: (text, previous: Readonly<Record<string, string>> | undefined) => {
      const pairs = text.split(",").filter((part) => part !== "");
      return { ...previous, ...Object.fromEntries(pairs.map(parsePair)) };
    },
    isSwitch: false,
  };
}

function parsePair(pair: string): [string, string] {
  const at = pair.indexOf("=");
  if (at <= 0) throw new Error(`malformed pair, expect string=string, got ${JSON.stringify(pair)}`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

const durationUnitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration text such as "1h", "1m30s", "250ms", "0". Throws Error in Go's words. */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  const match = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.exec(text);
  if (match === null) throw new Error(`time: invalid duration ${JSON.stringify(text)}`);
  let totalMs = 0;
  for (const part of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    totalMs += Number(part[1]) * (durationUnitMs[part[2] ?? ""] ?? 0);
  }
  return match[1] === "-" ? -totalMs : totalMs;
}

export interface ParsedFlags<F extends FlagSpecs> {
  readonly values: FlagValues<F>;
  /** Flags that the command line named, in kebab-case. */
  readonly given: ReadonlySet<string>;
  /** Everything wrong with the command line; the values are usable only when empty. */
  readonly problems: readonly string[];
  readonly help: boolean;
}

/** Parses `--name value`, `--name=value` and `--switch`. Positional arguments are problems. */
export function parseFlags<F extends FlagSpecs>(specs: F, argv: readonly string[]): ParsedFlags<F> {
  const problems: string[] = [];
  const raw = new Map<string, unknown>();
  let help = false;
  for (let position = 0; position < argv.length; position++) {
    const argument = argv[position] as string;
    if (argument === "-h" || argument === "--help") {
      help = true;
      continue;
    }
    const match = /^--?([A-Za-z][\w.-]*)(?:=([\s\S]*))?$/.exec(argument);
    if (match === null) {
      problems.push(`unknown command ${JSON.stringify(argument)}: this program takes only flags`);
      continue;
    }
    // Upstream accepts underscores for dashes.
    const name = (match[1] as string).replaceAll("_", "-");
    const spec = specs[name];
    if (spec === undefined) {
      problems.push(`unknown flag: --${name}`);
      continue;
    }
    let text = match[2];
    if (text === undefined) {
      if (spec.isSwitch) text = "true";
      else if (position + 1 < argv.length) text = argv[++position] as string;
      else {
        problems.push(`flag needs an argument: --${name}`);
        continue;
      }
    }
    try {
      raw.set(name, spec.parse(text, raw.get(name) as never));
    } catch (error) {
      problems.push(`invalid argument ${JSON.stringify(text)} for "--${name}" flag: ${(error as Error).message}`);
    }
  }
  const values = Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [camelCase(name), raw.has(name) ? raw.get(name) : spec.default]),
  );
  return { values: values as FlagValues<F>, given: new Set(raw.keys()), problems, help };
}

function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** The text of --help. */
export function formatUsage(program: string, description: string, specs: FlagSpecs): string {
  const names = Object.keys(specs).sort();
  const lines = names.map((name) => {
    const spec = specs[name] as FlagSpec<unknown>;
    const head = `      --${name}${spec.placeholder === "" ? "" : ` ${spec.placeholder}`}`;
    return `${head}\n          ${spec.description}${formatDefault(spec.default, spec.placeholder)}`;
  });
  return `${description}\n\nUsage:\n  ${program} [flags]\n\nFlags:\n${lines.join("\n")}\n`;
}

function formatDefault(value: unknown, placeholder: string): string {
  if (value === "" || value === false || value === undefined) return "";
  if (Array.isArray(value)) return value.length === 0 ? "" : ` (default [${value.join(",")}])`;
  if (placeholder === "duration") return ` (default ${formatDuration(value as number)})`;
  if (typeof value === "object") return "";
  return ` (default ${String(value)})`;
}

/** Go's text of a duration in milliseconds: 90000 → "1m30s". */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (Math.abs(ms) < 1_000) return `${ms}ms`;
  const sign = ms < 0 ? "-" : "";
  const totalSeconds = Math.abs(ms) / 1_000;
  const hours = Math.floor(totalSeconds / 3_600);
  const minutes = Math.floor((totalSeconds % 3_600) / 60);
  const seconds = totalSeconds % 60;
  return `${sign}${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${seconds}s`;
}
