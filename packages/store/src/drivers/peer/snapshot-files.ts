// Where states that arrive as a whole lie on disk.
//
// I1. The folder `incoming.complete` exists only with every row on disk and its checksum right.
// I2. Putting it in place is repeated by the next start until it is done, whenever a crash comes.
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import type { StateName } from "@lenj/proto/raft";
import { renameDurably } from "../durable-files.js";
import { LevelDatabase } from "../level/level-database.js";
import type { PartialStates } from "./incoming-state.js";

export const completeFolder = (folder: string): string => `${folder}/incoming.complete`;

const partialPattern = /^incoming-([0-9a-f]+)-([0-9a-f]+)-(\d+)-(\d+)$/;

const partialFolder = (folder: string, { from, id, index, term }: StateName): string =>
  `${folder}/incoming-${from.toString(16)}-${id.toString(16)}-${index}-${term}`;

/** `folder` is the member's. */
export function partialStates(folder: string): PartialStates {
  return {
    list: () => {
      if (!existsSync(folder)) return [];
      return readdirSync(folder).flatMap((file) => {
        const [, from, id, index, term] = partialPattern.exec(file) ?? [];
        if (from === undefined || id === undefined) return [];
        return [{ from: BigInt(`0x${from}`), id: Number.parseInt(id, 16), index: Number(index), term: Number(term) }];
      });
    },
    open: (name) => {
      mkdirSync(folder, { recursive: true });
      return LevelDatabase.open(partialFolder(folder, name), { writeBufferBytes: 4 * 1024 * 1024, cacheBytes: 1024 * 1024 });
    },
    drop: (name) => rmSync(partialFolder(folder, name), { recursive: true, force: true }),
    complete: (name) => {
      rmSync(completeFolder(folder), { recursive: true, force: true });
      renameDurably(partialFolder(folder, name), completeFolder(folder));
    },
  };
}

/** Whether a complete state waits to be put in place. */
export const hasIncoming = (folder: string): boolean => existsSync(completeFolder(folder));

/** Puts a complete state in the place of the one in use. */
export function installIncoming(folder: string, stateFolder: string): void {
  rmSync(stateFolder, { recursive: true, force: true });
  renameDurably(completeFolder(folder), stateFolder);
}

export function dropIncoming(folder: string): void {
  rmSync(completeFolder(folder), { recursive: true, force: true });
}
