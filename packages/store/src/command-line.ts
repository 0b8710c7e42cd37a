// The command line as etcd reads it: flags, and for those that it does not name the variables ETCD_<FLAG>.
import type { FlagSpecs } from "@lenj/component-base";

export interface CommandLine {
  /** Flags only: what variables say comes first, as flags. */
  readonly args: readonly string[];
  /** In etcd's words. */
  readonly problems: readonly string[];
}

export function readCommandLine(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  specs: FlagSpecs,
): CommandLine {
  const given = new Set(args.flatMap((arg) => /^--?([A-Za-z][\w-]*)/.exec(arg)?.[1]?.replaceAll("_", "-") ?? []));
  const fromVariables: string[] = [];
  const problems: string[] = [];
  for (const name of Object.keys(specs)) {
    const variable = `ETCD_${name.toUpperCase().replaceAll("-", "_")}`;
    const value = environment[variable];
    if (value === undefined || value === "") continue;
    if (given.has(name))
      problems.push(
        `conflicting environment variable "${variable}" is shadowed by corresponding command-line flag (either unset environment variable or disable flag)`,
      );
    else fromVariables.push(`--${name}=${value}`);
  }
  return { args: [...fromVariables, ...args], problems };
}
