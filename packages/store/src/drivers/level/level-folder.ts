import { installIncoming } from "../peer/snapshot-files.js";
import { LevelDatabase } from "./level-database.js";
import type { DataFolder } from "./open-data.js";

/** A member's databases on disk. */
export function levelFolder(folder: string): DataFolder {
  const cacheBytes = { state: 8 * 1024 * 1024, log: 1024 * 1024 };
  return {
    installIncoming: () => {
      installIncoming(folder, `${folder}/state`);
    },
    open: (name) => LevelDatabase.open(`${folder}/${name}`, { writeBufferBytes: 4 * 1024 * 1024, cacheBytes: cacheBytes[name] }),
  };
}
