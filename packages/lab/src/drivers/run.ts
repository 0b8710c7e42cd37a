// Short-lived commands of the system (ip, nft, ...), with their words in the error when they fail.
import { spawn } from "node:child_process";

export interface RunOptions {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Standard output of a command that must succeed. Rejects with its standard error otherwise. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await tryRun(program, args, options);
  if (result.code !== 0)
    throw new Error(`Cannot run ${program} ${args.slice(0, 6).join(" ")}: exit code ${result.code}: ${result.stderr.trim()}`);
  return result.stdout;
}

export interface RunResult {
  /** -1 when the program could not be started or was killed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function tryRun(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: options.env ?? process.env });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.stdin.on("error", () => {
      // The program ended without reading; its exit code tells.
    });
    child.stdin.end(options.input ?? "");
    child.once("error", (error) => resolve({ code: -1, stdout, stderr: error.message }));
    child.once("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}
