// `lenj store`: the store's own commands.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Runs `lenj-store` with these arguments; resolves with its exit code. */
export async function store(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve("@lenj/store/main")), ...args], { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(signal === null ? (code ?? 1) : 128));
  });
}
