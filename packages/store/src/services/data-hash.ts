// The hash of a member's key space at a revision, as HashKV gives it.
import { DataHash, decodeMain, type KeySpace } from "@lenj/mvcc";
import type { HashReport } from "../core/compare-hashes.js";
import { StoreError } from "../core/errors.js";
import type { LevelBackend } from "../drivers/level/level-backend.js";

/** A compaction meanwhile changes what counts: the hash is then taken again, this often at most. */
const attemptsMax = 3;

/** Over the rows that count at `revision` (0: the current one). Throws COMPACTED, FUTURE_REVISION; TIMEOUT when compactions kept coming. */
export async function hashKeySpace(backend: LevelBackend, space: KeySpace, revision: number): Promise<Omit<HashReport, "memberID">> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    space.checkReadable(revision);
    const { compactRevision } = space;
    const hashRevision = revision === 0 ? space.currentRevision : revision;
    await backend.flush();
    const hash = new DataHash();
    const isHashed = space.hashedAt(hashRevision);
    for await (const chunk of backend.rows("key")) {
      for (const [key, row] of chunk) if (isHashed(decodeMain(key), row)) hash.addRow(key, row);
    }
    if (space.compactRevision === compactRevision) return { hash: hash.value, hashRevision, compactRevision };
  }
  throw new StoreError("TIMEOUT", "Cannot hash the key space: it was compacted again and again meanwhile");
}
