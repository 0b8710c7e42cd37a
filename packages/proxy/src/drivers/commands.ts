// nft, ip and conntrack as child processes.
import { spawn } from "node:child_process";

/** Feeds `input` to a command. Rejects with its standard error when it fails. Resolves with its standard output. */
export function feed(program: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.stdin.on("error", () => {
      // It ended without reading; its exit code tells.
    });
    child.stdin.end(input);
    child.once("error", (cause) => reject(new Error(`Cannot run ${program}: ${cause.message}`, { cause })));
    child.once("close", (code) =>
      code === 0 ? resolve(stdout) : reject(new Error(`Cannot run ${program}: exit code ${code}: ${stderr.slice(0, 2_000).trim()}`)),
    );
  });
}
