// Building a container's file tree: what is mounted where, as data, and as launcher calls.
//
// M1. Every source of a bind mount is opened before pivot_root and every target is resolved after it, so that a symbolic
//     link inside an image can never lead to a path outside of the container.
// M2. Nothing is mounted in the node's mount namespace: the tree dies with the container's last process.
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  FSCONFIG_CMD_CREATE,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MNT_DETACH,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_SYMLINKS,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  O_CLOEXEC,
  O_CREAT,
  O_PATH,
  O_RDONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "./kernel-constants.js";
import type { Pointer, Program, Variable } from "./program.js";

export type Propagation = "private" | "slave" | "shared";

/** One step, done in order inside the container's root; targets are absolute paths there. */
export type MountStep =
  | {
      readonly type: "filesystem";
      readonly filesystem: string;
      readonly source: string;
      readonly target: string;
      readonly flags: number;
      readonly data: string;
      readonly optional?: boolean;
    }
  | {
      readonly type: "bind";
      readonly source: string;
      readonly target: string;
      readonly isDirectory: boolean;
      readonly readonly: boolean;
      readonly recursiveReadonly: boolean;
      readonly propagation: Propagation;
    }
  | {
      readonly type: "node";
      readonly target: string;
      readonly mode: number;
      readonly device: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly type: "symlink"; readonly target: string; readonly to: string }
  | { readonly type: "remountReadonly"; readonly target: string; readonly flags: number }
  | { readonly type: "mask"; readonly target: string }
  | { readonly type: "readonlyPath"; readonly target: string };

/** struct mount_attr: set, clear, propagation, user namespace. */
function mountAttributes(program: Program, set: number, propagation: number): Pointer {
  return program.words([set, 0, propagation, 0]);
}

const propagationFlags: Readonly<Record<Propagation, number>> = { private: MS_PRIVATE, slave: MS_SLAVE, shared: MS_SHARED };

/** Keeps what the container mounts from reaching the node; what the node mounts later may still reach in (M1 first: sources keep their own kind). */
export function emitRootPropagation(program: Program): void {
  program.call("mount", [0, program.text("/"), 0, MS_REC | MS_SLAVE, 0], { note: "/ propagation" });
}

/** Whose mounting a user namespace allows only while the node's own instance is in sight: before pivot_root. */
const revealing: ReadonlySet<string> = new Set(["proc", "sysfs"]);

/** Opens the sources of all bind mounts (M1) and makes proc and sysfs; the result goes to emitMountSteps. */
export function emitOpenSources(program: Program, steps: readonly MountStep[]): Map<MountStep, Variable> {
  const sources = new Map<MountStep, Variable>();
  for (const step of steps) {
    if (step.type === "filesystem" && revealing.has(step.filesystem)) sources.set(step, emitDetachedFilesystem(program, step));
    if (step.type !== "bind") continue;
    const descriptor = program.variable();
    program.call("open_tree", [AT_FDCWD, program.text(step.source), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE], {
      into: descriptor,
      note: step.source,
    });
    sources.set(step, descriptor);
  }
  return sources;
}

/** The mount flags used here have the same bits as mount attributes. */
function emitDetachedFilesystem(program: Program, step: MountStep & { type: "filesystem" }): Variable {
  const [context, mount] = [program.variable(), program.variable()];
  const note = `${step.filesystem} on ${step.target}`;
  program.call("fsopen", [program.text(step.filesystem), FSOPEN_CLOEXEC], { into: context, note });
  program.call("fsconfig", [context, FSCONFIG_CMD_CREATE, 0, 0, 0], { note });
  program.call("fsmount", [context, FSMOUNT_CLOEXEC, step.flags], { into: mount, note });
  program.call("close", [context], { onError: "ignore" });
  return mount;
}

/** Makes `rootfs`, which must be a mount point, the root of the mount namespace and lets go of the old one. */
export function emitPivotRoot(program: Program, rootfs: string): void {
  const here = program.text(".");
  const oldRoot = program.variable();
  program.call("openat", [AT_FDCWD, program.text("/"), O_PATH | O_CLOEXEC], { into: oldRoot, note: "/" });
  program.call("chdir", [program.text(rootfs)], { note: rootfs });
  program.call("pivot_root", [here, here], { note: rootfs });
  program.call("fchdir", [oldRoot]);
  // Unmounting must not travel back to the node through shared mounts.
  program.call("mount", [0, here, 0, MS_SLAVE | MS_REC, 0], { note: "old root" });
  program.call("umount2", [here, MNT_DETACH], { note: "old root" });
  program.call("chdir", [program.text("/")], { note: "/" });
}

export function emitMountSteps(program: Program, steps: readonly MountStep[], sources: ReadonlyMap<MountStep, Variable>): void {
  for (const step of steps) emitStep(program, step, sources);
}

function emitStep(program: Program, step: MountStep, sources: ReadonlyMap<MountStep, Variable>): void {
  const target = program.text(step.target);
  switch (step.type) {
    case "filesystem":
      emitMakeDirectories(program, step.target);
      if (sources.has(step)) {
        program.call(
          "move_mount",
          [sources.get(step) as Variable, program.text(""), AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS],
          { note: `${step.filesystem} on ${step.target}` },
        );
        program.call("close", [sources.get(step) as Variable], { onError: "ignore" });
        break;
      }
      program.call(
        "mount",
        [program.text(step.source), target, program.text(step.filesystem), step.flags, step.data === "" ? 0 : program.text(step.data)],
        {
          note: `${step.filesystem} on ${step.target}`,
          ...(step.optional === true ? { onError: "ignore" as const } : {}),
        },
      );
      break;
    case "bind":
      emitBind(program, step, sources.get(step) as Variable);
      break;
    case "node":
      emitMakeDirectories(program, parentOf(step.target));
      program.call("mknodat", [AT_FDCWD, target, step.mode, step.device], { note: step.target });
      program.call("fchownat", [AT_FDCWD, target, step.uid, step.gid, 0], { onError: "ignore" });
      program.call("fchmodat", [AT_FDCWD, target, step.mode & 0o7777], { note: step.target });
      break;
    case "symlink":
      program.call("symlinkat", [program.text(step.to), AT_FDCWD, target], { onError: "ignore" });
      break;
    case "remountReadonly":
      program.call("mount", [0, target, 0, MS_REMOUNT | MS_BIND | MS_RDONLY | step.flags, 0], { note: `${step.target} read-only` });
      break;
    case "mask":
      emitMask(program, step.target);
      break;
    case "readonlyPath":
      emitReadonlyPath(program, step.target);
      break;
  }
}

function emitBind(program: Program, step: MountStep & { type: "bind" }, source: Variable): void {
  const target = program.text(step.target);
  const empty = program.text("");
  if (step.isDirectory) emitMakeDirectories(program, step.target);
  else emitMakeFile(program, step.target);
  program.call("move_mount", [source, empty, AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS], {
    note: `${step.source} on ${step.target}`,
  });
  // The descriptor stays the mount's, so attributes need no path that could be a link.
  const set = (attributes: number, propagation: number, recursive: boolean): void =>
    program.call(
      "mount_setattr",
      [source, empty, AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), mountAttributes(program, attributes, propagation), 32],
      { note: step.target },
    );
  set(0, propagationFlags[step.propagation], true);
  if (step.readonly) set(MOUNT_ATTR_RDONLY, 0, step.recursiveReadonly);
  program.call("close", [source], { onError: "ignore" });
}

/** Files are hidden by /dev/null, directories by an empty read-only tmpfs; what does not exist needs no mask. */
function emitMask(program: Program, path: string): void {
  const done = program.label();
  const tryDirectory = program.label();
  const target = program.text(path);
  program.call("mount", [program.text("/dev/null"), target, 0, MS_BIND, 0], { onError: tryDirectory });
  program.jump(done);
  program.place(tryDirectory);
  emitSkipIfMissing(program, done);
  program.call("mount", [program.text("tmpfs"), target, program.text("tmpfs"), MS_RDONLY, 0], { note: `mask ${path}` });
  program.place(done);
}

function emitReadonlyPath(program: Program, path: string): void {
  const done = program.label();
  const failed = program.label();
  const remount = program.label();
  const target = program.text(path);
  program.call("mount", [target, target, 0, MS_BIND | MS_REC, 0], { onError: failed });
  program.jump(remount);
  program.place(failed);
  emitSkipIfMissing(program, done);
  program.place(remount);
  program.call("mount", [0, target, 0, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0], {
    note: `${path} read-only`,
  });
  program.place(done);
}

/** After a failed call: goes to `label` when the error was ENOENT. */
function emitSkipIfMissing(program: Program, label: ReturnType<Program["label"]>): void {
  program.jumpIfEqual({ kind: "variable", cell: { kind: "header", offset: program.lastFailure.offset + 8 } }, -2n, label);
}

function emitMakeDirectories(program: Program, path: string): void {
  const parts = path.split("/").filter((part) => part !== "");
  for (const position of parts.keys()) {
    // Existing ones, and links to directories, answer EEXIST; a real problem shows at the mount.
    program.call("mkdirat", [AT_FDCWD, program.text(`/${parts.slice(0, position + 1).join("/")}`), 0o755], { onError: "ignore" });
  }
}

function emitMakeFile(program: Program, path: string): void {
  emitMakeDirectories(program, parentOf(path));
  const descriptor = program.variable();
  program.call("openat", [AT_FDCWD, program.text(path), O_RDONLY | O_CREAT | O_CLOEXEC, 0o644], { into: descriptor, onError: "ignore" });
  program.call("close", [descriptor], { onError: "ignore" });
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
