// Sub-paths of volumes: a container must not reach outside the volume by a symlink it put there itself.
// The path is opened first, then checked, and what is mounted is the opened file. Source: pkg/volume/util/subpath.
import { constants } from "node:fs";
import { mkdir, open, readlink, realpath, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bindDescriptor, isMountPoint } from "./mounts.js";

/** O_PATH of linux, which node's constants lack: a handle without read access, enough to mount. */
const openPath = 0o10000000;

/** Mounts `volume/subPath` at `target`, making the directory in the volume if nothing is there. */
export async function mountSubPath(volume: string, subPath: string, target: string): Promise<void> {
  const base = await realpath(volume);
  const wanted = join(base, subPath);
  if (wanted !== base && !wanted.startsWith(`${base}/`)) throw new Error(`subPath ${JSON.stringify(subPath)} leaves the volume`);
  await makeInside(base, wanted);
  const handle = await open(wanted, openPath | constants.O_NOFOLLOW).catch(async () =>
    open(await realpath(wanted), openPath | constants.O_NOFOLLOW),
  );
  try {
    const actual = await readlink(`/proc/self/fd/${handle.fd}`);
    if (actual !== base && !actual.startsWith(`${base}/`)) throw new Error(`subPath ${JSON.stringify(subPath)} leaves the volume`);
    if (await isMountPoint(target)) return;
    const isDirectory = (await stat(`/proc/self/fd/${handle.fd}`)).isDirectory();
    await mkdir(isDirectory ? target : dirname(target), { recursive: true, mode: 0o750 });
    if (!isDirectory) await writeFile(target, "", { flag: "a" });
    await bindDescriptor(handle.fd, target);
  } finally {
    await handle.close();
  }
}

async function makeInside(base: string, wanted: string): Promise<void> {
  if (await stat(wanted).catch(() => undefined)) {
    const actual = await realpath(wanted);
    if (actual !== base && !actual.startsWith(`${base}/`)) throw new Error("subPath leaves the volume through a symbolic link");
    return;
  }
  // The deepest part that exists must lie inside; what is made below it is ours.
  let parent = dirname(wanted);
  while (!(await stat(parent).catch(() => undefined))) parent = dirname(parent);
  const actual = await realpath(parent);
  if (actual !== base && !actual.startsWith(`${base}/`)) throw new Error("subPath leaves the volume through a symbolic link");
  await mkdir(wanted, { recursive: true, mode: 0o755 });
}
