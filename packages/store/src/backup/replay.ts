// Brings a restored state forward to a point in time, by applying what the archive holds as the members once did.
//
// P1. Only the state machine decides what an entry does; where the archive knows the revision after an entry, it must come out the same.
import { archiveFolder, readArchive } from "../archive/read-archive.js";
import type { ArchivedEntry } from "../archive/segment-codec.js";
import { decodeCommandBody } from "../core/command.js";
import { StoreError, storeErrorFrom } from "../core/errors.js";
import { StateMachine } from "../core/state-machine.js";
import type { LevelBackend } from "../drivers/level/level-backend.js";

export interface ReplayOptions {
  readonly archiveDir: string;
  /** Stop when the store is at this revision; undefined: no such limit. */
  readonly toRevision: number | undefined;
  /** Stop before the first entry archived after this time, in milliseconds of the wall clock. */
  readonly toWallMs: number | undefined;
}

export interface ReplayStart {
  readonly appliedIndex: number;
  /** 0 when the snapshot does not say. */
  readonly appliedTerm: number;
}

/** Returns the revision that was reached. `flush` is called whenever much waits to be written. Throws DATA_DAMAGED, CONFIG_INVALID. */
export async function replayArchive(
  backend: LevelBackend,
  start: ReplayStart,
  options: ReplayOptions,
  flush: () => Promise<void>,
): Promise<number> {
  await flush();
  const state = new StateMachine({ backend });
  for (const table of StateMachine.loadOrder)
    for await (const chunk of backend.rows(table)) for (const [key, value] of chunk) state.load(table, key, value);
  state.finishLoading();
  const { toRevision, toWallMs } = options;
  if (toRevision !== undefined && state.space.currentRevision > toRevision)
    throw new StoreError(
      "CONFIG_INVALID",
      `Cannot restore to revision ${toRevision}: the snapshot is at ${state.space.currentRevision} already, use an older one`,
    );
  for await (const entry of readArchive(await archiveFolder(options.archiveDir), start.appliedIndex)) {
    if (entry.index <= start.appliedIndex) {
      checkSameHistory(entry, start);
      continue;
    }
    if (toRevision !== undefined && state.space.currentRevision >= toRevision) break;
    if (toWallMs !== undefined && entry.wallMs > toWallMs) break;
    applyArchived(state, entry);
    if (backend.isCongested) await flush();
  }
  const reached = state.space.currentRevision;
  if (toRevision !== undefined && reached < toRevision)
    throw new StoreError("CONFIG_INVALID", `Cannot restore to revision ${toRevision}: the archive ends at revision ${reached}`);
  return reached;
}

function checkSameHistory(entry: ArchivedEntry, start: ReplayStart): void {
  if (start.appliedTerm !== 0 && entry.term !== start.appliedTerm)
    throw new StoreError(
      "DATA_DAMAGED",
      `Cannot use archive: its entry ${entry.index} is of term ${entry.term}, the snapshot's of term ${start.appliedTerm}`,
    );
}

function applyArchived(state: StateMachine, entry: ArchivedEntry): void {
  // Membership changes are the old cluster's.
  if (entry.type === "normal" && entry.data.length > 0) {
    try {
      state.apply(decodeCommandBody(entry.data), { index: entry.index, nowMs: 0, events: [] });
    } catch (error) {
      // A refusal was the command's outcome then, too.
      const expected = storeErrorFrom(error);
      if (!(expected instanceof StoreError) || expected.code === "DATA_DAMAGED") throw error;
    }
  }
  const { currentRevision } = state.space;
  if (entry.revision !== 0 && entry.revision !== currentRevision)
    throw new StoreError(
      "DATA_DAMAGED",
      `Cannot use archive: entry ${entry.index} leads to revision ${currentRevision} here, to ${entry.revision} when it was archived`,
    );
}
