import { isStateUnusable, noteRefilled, quarantineFile } from "../../quarantine.js";
import { completeFolder, dropIncoming, hasIncoming, installIncoming } from "../peer/snapshot-files.js";
import { LevelDatabase } from "./level-database.js";
import type { DataFolder } from "./open-data.js";

/** A member's databases on disk. */
export function levelFolder(folder: string): DataFolder {
  const places = { state: `${folder}/state`, log: `${folder}/log`, incoming: completeFolder(folder) };
  const mark = quarantineFile(folder);
  const cacheBytes = { state: 8 * 1024 * 1024, log: 1024 * 1024, incoming: 1024 * 1024 };
  return {
    isQuarantined: () => isStateUnusable(mark),
    hasIncoming: () => hasIncoming(folder),
    installIncoming: () => {
      installIncoming(folder, places.state);
      noteRefilled(mark);
    },
    dropIncoming: () => dropIncoming(folder),
    open: (name) => LevelDatabase.open(places[name], { writeBufferBytes: 4 * 1024 * 1024, cacheBytes: cacheBytes[name] }),
  };
}
