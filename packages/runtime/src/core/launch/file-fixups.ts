// What an image layer asks of the file system and Node.js cannot do: device nodes and extended attributes.

import { encodeDevice } from "../mount-plan.js";
import { AT_FDCWD, S_IFBLK, S_IFCHR, S_IFIFO } from "./kernel-constants.js";
import { type AssembledProgram, Program } from "./program.js";
import type { Architecture } from "./syscall-table.js";

export type FileFixup =
  | {
      readonly type: "node";
      readonly path: string;
      readonly kind: "character" | "block" | "fifo";
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly type: "attribute"; readonly path: string; readonly name: string; readonly value: Uint8Array };

/** How many fixups one program takes. */
export const fixupsPerProgram = 1_000;

const kinds = { character: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO } as const;

/** Compiles fixups. Each one that this process may not do (no root) is left out, as unpacking tools do. */
export function assembleFixups(architecture: Architecture, fixups: readonly FileFixup[]): AssembledProgram {
  const program = new Program(architecture);
  for (const fixup of fixups) {
    const path = program.text(fixup.path);
    if (fixup.type === "attribute") {
      program.call("lsetxattr", [path, program.text(fixup.name), program.bytes(fixup.value), fixup.value.length, 0], { onError: "ignore" });
      continue;
    }
    program.call("mknodat", [AT_FDCWD, path, kinds[fixup.kind] | fixup.mode, encodeDevice(fixup.major, fixup.minor)], {
      onError: "ignore",
    });
    program.call("fchownat", [AT_FDCWD, path, fixup.uid, fixup.gid, 0], { onError: "ignore" });
    program.call("fchmodat", [AT_FDCWD, path, fixup.mode], { onError: "ignore" });
  }
  program.call("exit_group", [0]);
  return program.assemble();
}
