import { spawn } from "node:child_process";

/**
 * Runs a program to its end. `fd` is passed on as descriptor 3.
 * Rejects with an Error that carries the program's own words when it fails.
 */
export function runCommand(program: string, args: readonly string[], options: { readonly fd?: number } = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { stdio: ["ignore", "ignore", "pipe", ...(options.fd === undefined ? [] : [options.fd])] });
    let words = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      if (words.length < 4096) words += chunk.toString("utf8");
    });
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ${args.join(" ")} failed with ${signal ?? `exit code ${code}`}: ${words.trim()}`));
    });
  });
}
