// Paths inside a directory that is some other system's root: symbolic links there must not lead out.
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

const linksMax = 40;

/**
 * The node path of `path` as a process with root `root` would find it. Missing parts are taken literally.
 * `followLast: false` leaves a link in the last part alone. Throws Error ELOOP for more than 40 links.
 */
export function resolveInRoot(root: string, path: string, options: { followLast: boolean } = { followLast: true }): string {
  const done: string[] = [];
  const pending = path.split("/").reverse();
  for (let links = 0; pending.length > 0; ) {
    const part = pending.pop() as string;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const isLast = pending.every((rest) => rest === "" || rest === ".");
    const target = isLast && !options.followLast ? undefined : readLink(join(root, ...done, part));
    if (target === undefined) {
      done.push(part);
      continue;
    }
    links += 1;
    if (links > linksMax) throw Object.assign(new Error(`Too many symbolic links in ${path}`), { code: "ELOOP" });
    if (target.startsWith("/")) done.length = 0;
    pending.push(...target.split("/").reverse());
  }
  return join(root, ...done);
}

/** Text of a file inside a root, or empty when there is none. */
export function readTextInRoot(root: string, path: string): string {
  try {
    return readFileSync(resolveInRoot(root, path), "utf8");
  } catch {
    return "";
  }
}

function readLink(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}
