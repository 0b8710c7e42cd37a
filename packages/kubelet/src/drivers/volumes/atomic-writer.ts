// Writes a set of files so that readers see either all of the old or all of the new ones.
//
// A1. User-visible names are symlinks to ..data/<name>; ..data is a symlink to one timestamped folder.
// A2. The switch is one rename of ..data; a crash before it leaves the old set, after it the new one, and the next
//     write removes what is left over.
// A3. Nothing is written when the content is what is there already.
// Source: pkg/volume/util/atomic_writer.go.
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Payload } from "../../core/volumes/payload.js";

const dataLink = "..data";

export interface Ownership {
  /** Group of every file, with group read access; undefined: root. */
  readonly gid?: number | undefined;
  /** Owner of every file. */
  readonly uid?: number | undefined;
}

/** True when something was written. */
export async function writeAtomically(folder: string, payload: Payload, owner: Ownership = {}): Promise<boolean> {
  const before = await readlink(join(folder, dataLink)).catch(() => undefined);
  if (before !== undefined && (await isSame(join(folder, before), payload, owner))) return false;
  const fresh = await mkdtemp(join(folder, `..${stamp()}.`));
  await chmod(fresh, 0o755);
  for (const [path, file] of payload) {
    const target = join(fresh, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await writeFile(target, file.content, { mode: file.mode });
    await setAccess(target, file.mode, owner);
  }
  const staged = join(folder, "..data_tmp");
  await rm(staged, { force: true });
  await symlink(fresh.slice(folder.length + 1), staged);
  await rename(staged, join(folder, dataLink));
  await updateVisibleLinks(folder, payload);
  await removeOthers(folder, fresh.slice(folder.length + 1));
  return true;
}

async function setAccess(path: string, mode: number, owner: Ownership): Promise<void> {
  // writeFile's mode is subject to the umask.
  await chmod(path, effectiveMode(mode, owner));
  if (owner.gid !== undefined || owner.uid !== undefined) await chown(path, owner.uid ?? 0, owner.gid ?? 0);
}

// With an fsGroup the group may read what the owner may.
function effectiveMode(mode: number, owner: Ownership): number {
  return owner.gid === undefined ? mode : mode | ((mode & 0o500) >> 3);
}

async function isSame(folder: string, payload: Payload, owner: Ownership): Promise<boolean> {
  const present = await filesBelow(folder).catch(() => undefined);
  if (present === undefined || present.length !== payload.size) return false;
  for (const [path, file] of payload) {
    const target = join(folder, path);
    const status = await stat(target).catch(() => undefined);
    if (status === undefined || (status.mode & 0o777) !== effectiveMode(file.mode, owner)) return false;
    if (Buffer.compare(await readFile(target), file.content) !== 0) return false;
  }
  return true;
}

async function filesBelow(folder: string, prefix = ""): Promise<string[]> {
  const entries = await readdir(join(folder, prefix), { withFileTypes: true });
  const nested = await Promise.all(
    entries.map((entry) => (entry.isDirectory() ? filesBelow(folder, join(prefix, entry.name)) : [join(prefix, entry.name)])),
  );
  return nested.flat();
}

async function updateVisibleLinks(folder: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map((path) => path.split("/")[0] as string));
  for (const name of wanted) {
    const link = join(folder, name);
    const status = await lstat(link).catch(() => undefined);
    if (status === undefined) await symlink(join(dataLink, name), link);
  }
  for (const name of await readdir(folder)) {
    if (!name.startsWith("..") && !wanted.has(name)) await unlink(join(folder, name));
  }
}

async function removeOthers(folder: string, kept: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^\.\.\d{4}_/.test(name) && name !== kept) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function stamp(): string {
  return new Date().toISOString().slice(0, 19).replace(/[-:T]/g, "_");
}
