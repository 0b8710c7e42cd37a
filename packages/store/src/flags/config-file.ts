// etcd's configuration file: YAML with the flags' names as keys, and two groups for what concerns TLS.
//
// Source: etcd server/embed/config.go (configYAML, securityConfig), etcd.conf.yml.sample.
import type { FlagSpecs } from "@lenj/component-base";
import { parse } from "yaml";

export type ReadText = (file: string) => string;

export interface ConfigFile {
  /** Texts by flag. */
  readonly flags: ReadonlyMap<string, string>;
  /** Keys that mean nothing: upstream overlooks them. */
  readonly unknown: readonly string[];
  readonly problem?: string;
}

/** Keys of the two groups, by the flag that says the same. */
const groups: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "client-transport-security": {
    ...{ "cert-file": "cert-file", "key-file": "key-file", "client-cert-file": "client-cert-file", "client-key-file": "client-key-file" },
    ...{ "client-cert-auth": "client-cert-auth", "trusted-ca-file": "trusted-ca-file", "auto-tls": "auto-tls" },
  },
  "peer-transport-security": {
    ...{ "cert-file": "peer-cert-file", "key-file": "peer-key-file", "trusted-ca-file": "peer-trusted-ca-file" },
    ...{ "client-cert-file": "peer-client-cert-file", "client-key-file": "peer-client-key-file", "auto-tls": "peer-auto-tls" },
    ...{ "client-cert-auth": "peer-client-cert-auth" },
  },
};

/** `readText` gives a file's content, or throws the system's error. */
export function readConfigFile(file: string, specs: FlagSpecs, readText: ReadText): ConfigFile {
  const flags = new Map<string, string>();
  const unknown: string[] = [];
  const refuse = (problem: string): ConfigFile => ({ flags, unknown, problem });
  let content: unknown;
  try {
    content = parse(readText(file), { version: "1.1" }) ?? {};
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return refuse(code === "ENOENT" ? `open ${file}: no such file or directory` : message.trim());
  }
  if (!isGroup(content)) return refuse(`${file}: must be a mapping of keys to values`);
  for (const [key, value] of Object.entries(content)) {
    const group = groups[key];
    const entries = group === undefined ? [[key, key, value] as const] : entriesOf(group, value);
    for (const [shown, flag, given] of entries) {
      if (flag === undefined || specs[flag] === undefined) unknown.push(group === undefined ? shown : `${key}.${shown}`);
      else if (isGroup(given)) return refuse(`${file}: ${shown} must be a value, not a mapping`);
      else if (given !== null && given !== undefined) flags.set(flag, textOf(given, specs[flag].placeholder));
    }
  }
  return { flags, unknown };
}

function entriesOf(group: Readonly<Record<string, string>>, value: unknown): (readonly [string, string | undefined, unknown])[] {
  return isGroup(value) ? Object.entries(value).map(([key, inner]) => [key, group[key], inner] as const) : [];
}

/** Durations without a unit are Go's: nanoseconds. */
function textOf(value: unknown, placeholder: string): string {
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "number" && placeholder === "duration" ? `${value}ns` : String(value);
}

const isGroup = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
