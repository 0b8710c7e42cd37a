// Files and folders that are there after a power loss.
//
// A file's own fsync says nothing about its name: that is in the folder, which has an fsync of its own.
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Makes what was created, renamed or removed in `folder` durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Makes a folder, for its owner only, and what is missing above it. One that is there stays as it is. */
export function makeFolder(folder: string): void {
  const made = mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (made === undefined) return;
  const last = dirname(made);
  for (let above = dirname(resolve(folder)); ; above = dirname(above)) {
    syncFolder(above);
    if (above === last) return;
  }
}

/** `to` may not be a folder with something in it. Both are in the same filesystem. */
export function renameDurably(from: string, to: string): void {
  renameSync(from, to);
  syncFolder(dirname(to));
}

/** Puts a whole new file, for its owner only, in the place of one that may be there: after a crash it is the old or the new one. */
export function writeDurably(file: string, text: string): void {
  const unfinished = `${file}.tmp`;
  const handle = openSync(unfinished, "w", 0o600);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameDurably(unfinished, file);
}
