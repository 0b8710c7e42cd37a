// Mounts of this mount namespace, through the machine's mount and umount programs.
import { readFile } from "node:fs/promises";
import { runCommand } from "../run-command.js";

/** Mount points at or below `path`, deepest first. */
export async function mountsBelow(path: string): Promise<string[]> {
  const text = await readFile("/proc/self/mountinfo", "utf8");
  const points = text.split("\n").flatMap((line) => {
    const point = line.split(" ")[4];
    return point === undefined ? [] : [unescape(point)];
  });
  return points.filter((point) => point === path || point.startsWith(`${path}/`)).sort((left, right) => right.length - left.length);
}

export async function isMountPoint(path: string): Promise<boolean> {
  return (await mountsBelow(path)).includes(path);
}

export function mountTmpfs(path: string, options: { readonly sizeBytes?: number; readonly mode: string }): Promise<void> {
  const settings = [`mode=${options.mode}`, ...(options.sizeBytes === undefined ? [] : [`size=${options.sizeBytes}`])];
  return runCommand("mount", ["-t", "tmpfs", "-o", settings.join(","), "tmpfs", path]);
}

/** Binds the open file or directory `fd` to `target`: what it names cannot be exchanged meanwhile. */
export function bindDescriptor(fd: number, target: string): Promise<void> {
  return runCommand("mount", ["--no-canonicalize", "--bind", "/proc/self/fd/3", target], { fd });
}

/** Unmounts everything at or below `path`; rejects when something stays mounted. */
export async function unmountBelow(path: string): Promise<void> {
  for (const point of await mountsBelow(path)) {
    await runCommand("umount", ["--no-canonicalize", point]).catch(() => runCommand("umount", ["--no-canonicalize", "--lazy", point]));
  }
  const left = await mountsBelow(path);
  if (left.length > 0) throw new Error(`Cannot unmount ${left.join(", ")}`);
}

// mountinfo writes blanks and backslashes in octal.
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
