import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

/** One `<name>.input` of a folder and what is to come out of it. */
export interface GoldenCase {
  readonly name: string;
  readonly input: string;
  /** Content of `<name>.golden`; undefined before the first update. */
  readonly golden: string | undefined;
  /** Takes `output` for the truth from now on, when the run was started to do so (UPDATE_GOLDEN=1); answers whether it did. */
  maybeUpdate(output: string): boolean;
}

/** The cases of `folder`, by name. `npm run update:golden` rewrites what they expect. */
export function readGoldenCases(folder: URL): GoldenCase[] {
  const inputs = readdirSync(folder).filter((file) => file.endsWith(".input"));
  return inputs.sort().map((file) => {
    const name = file.slice(0, -".input".length);
    const path = new URL(`${name}.golden`, folder);
    return {
      name,
      input: readFileSync(new URL(file, folder), "utf8"),
      golden: existsSync(path) ? readFileSync(path, "utf8") : undefined,
      maybeUpdate: (output) => {
        if (process.env["UPDATE_GOLDEN"] !== "1") return false;
        writeFileSync(path, output);
        return true;
      },
    };
  });
}
