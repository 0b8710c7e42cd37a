import type { Stats } from "node:fs";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

const checks: Readonly<Record<string, readonly [(status: Stats) => boolean, string]>> = {
  Directory: [(status) => status.isDirectory(), "a directory"],
  DirectoryOrCreate: [(status) => status.isDirectory(), "a directory"],
  File: [(status) => status.isFile(), "a file"],
  FileOrCreate: [(status) => status.isFile(), "a file"],
  Socket: [(status) => status.isSocket(), "a socket file"],
  CharDevice: [(status) => status.isCharacterDevice(), "a character device"],
  BlockDevice: [(status) => status.isBlockDevice(), "a block device"],
};

/** Makes and checks a hostPath as its type says. Rejects in upstream's words. */
export async function prepareHostPath(path: string, type: string | undefined): Promise<void> {
  const check = checks[type ?? ""];
  if (check === undefined) return;
  let status = await stat(path).catch(() => undefined);
  if (status === undefined && type === "DirectoryOrCreate") {
    await mkdir(path, { recursive: true, mode: 0o755 });
    status = await stat(path);
  } else if (status === undefined && type === "FileOrCreate") {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await writeFile(path, "", { flag: "a", mode: 0o644 });
    status = await stat(path);
  }
  if (status === undefined || !check[0](status)) throw new Error(`hostPath type check failed: ${path} is not ${check[1]}`);
}
