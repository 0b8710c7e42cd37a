// Programs of the system that the lab calls: which are missing, and installing them where that is possible.
import { accessSync, constants } from "node:fs";
import type { RequiredProgram } from "../core/requirements.js";
import { run } from "./run.js";

/** The full path of a program, looked up as a shell would, sbin folders included. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  return folders
    .map((folder) => `${folder}/${name}`)
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

export function missingPrograms(required: readonly RequiredProgram[]): RequiredProgram[] {
  return required.filter(({ program }) => findProgram(program) === undefined);
}

/** Installs the Debian packages of the missing programs. Does nothing where there is no apt. */
export async function installMissing(missing: readonly RequiredProgram[]): Promise<void> {
  if (findProgram("apt-get") === undefined) return;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update"], { env });
  await run("apt-get", ["install", "--yes", "--no-install-recommends", ...new Set(missing.map(({ debianPackage }) => debianPackage))], {
    env,
  });
}
