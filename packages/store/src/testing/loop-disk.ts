// A small ext4 of its own on a loop device, to be filled and frozen. Needs root.
//
// L1. It never outlives its process, nor stays frozen: a guard, started along with it, thaws and removes it when the process is gone.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Freezes end by themselves after this long, whatever became of the test. */
const frozenSecondsMax = 120;
const mebibyte = 1024 * 1024;

/** Watches a process's end, then does what the process could not. Arguments: pid, mount point, image. */
const guardScript = `while kill -0 "$1" 2>/dev/null && mountpoint -q "$2"; do sleep 1; done
fsfreeze -u "$2" 2>/dev/null; umount -l "$2" 2>/dev/null; rm -f "$3"`;

export class LoopDisk {
  #thawGuard: ReturnType<typeof spawn> | undefined;

  private constructor(
    readonly folder: string,
    private readonly image: string,
  ) {}

  /** Mounts a new one at `folder`, which is made. */
  static create(folder: string, sizeBytes: number): LoopDisk {
    const image = `${folder}.img`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(image, "");
    truncateSync(image, sizeBytes);
    run("mkfs.ext4", "-q", "-L", "lenj-test", "-m", "0", image);
    run("mount", "-o", "loop", image, folder);
    detached(guardScript, String(process.pid), folder, image);
    return new LoopDisk(folder, image);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** Leaves `leftBytes` of room. */
  fill(leftBytes: number): void {
    const ballast = this.freeBytes - leftBytes;
    if (ballast > 0) run("fallocate", "-l", String(ballast), join(this.folder, `ballast-${process.hrtime.bigint()}`));
  }

  /** Takes away what fill() put there. */
  makeRoom(): void {
    run("find", this.folder, "-maxdepth", "1", "-name", "ballast-*", "-delete");
  }

  /** Writes to it do not end from here on. */
  freeze(): void {
    this.#thawGuard = detached(`sleep ${frozenSecondsMax}; fsfreeze -u "$1"`, this.folder);
    run("fsfreeze", "-f", this.folder);
  }

  /** Does nothing when it is not frozen. */
  thaw(): void {
    spawnSync("fsfreeze", ["-u", this.folder]);
    const pid = this.#thawGuard?.pid;
    if (pid !== undefined) {
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
    this.#thawGuard = undefined;
  }

  /** Nothing may use it any more. */
  close(): void {
    this.thaw();
    run("umount", this.folder);
    rmSync(this.image, { force: true });
  }
}

export const mebibytes = (count: number): number => count * mebibyte;

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stderr}`);
}

function detached(script: string, ...args: string[]): ReturnType<typeof spawn> {
  const child = spawn("sh", ["-c", script, "lenj-disk-guard", ...args], { detached: true, stdio: "ignore" });
  child.unref();
  return child;
}
