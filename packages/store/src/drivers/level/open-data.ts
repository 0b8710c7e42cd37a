// A member's data, brought from what a crash left on disk to a state that a replica can go on from.
//
// Owns:  the order of opening, the agreement of state and log.
// Not:   where the databases are (DataFolder), what their rows mean (backend, log, state machine).
// O1. A state that is ahead of the log is a snapshot that the log has not followed yet: the log is restarted after it.
// O2. Damage names its part. A damaged state, and one that ends before the log begins, is the leader's to replace (state-refill.ts); the log
//     stands for what this member promised, so a damaged one is refused.
// O3. A whole state that arrived takes the place of the one in use only when it is newer: the member may have gone on while it came. But
//     one that is quarantined is not to be used, however new it is.
import type { Clock } from "@lenj/base";
import { bootstrapLog, type ConfChange, type HardState, MemoryLog } from "@lenj/raft";
import { decodeApplied } from "../../core/command.js";
import { DataDamaged, isStoreError } from "../../core/errors.js";
import { StateMachine } from "../../core/state-machine.js";
import { appliedRow, LevelBackend, readApplied } from "./level-backend.js";
import type { LevelDatabase } from "./level-database.js";
import { LevelLog, type StoredLog } from "./level-log.js";

/** Where a member keeps its databases. */
export interface DataFolder {
  /** The state in use is not to be used; until one that came in has taken its place. */
  isQuarantined(): boolean;
  /** Whether a whole state of the leader waits. */
  hasIncoming(): boolean;
  /** Puts it in the place of the one in use. */
  installIncoming(): void;
  dropIncoming(): void;
  /** Opens or creates. */
  open(name: "state" | "log" | "incoming"): Promise<LevelDatabase>;
}

export interface OpenedData {
  readonly state: StateMachine;
  readonly backend: LevelBackend;
  readonly log: LevelLog;
  readonly memoryLog: MemoryLog;
  /** Index and term that the state stands at. */
  readonly applied: { readonly index: number; readonly term: number };
}

/**
 * `firstMembers` are the changes that a new cluster's log begins with; none for a member that joins a running one. They count only while
 * nothing is stored. Throws DataDamaged.
 */
export async function openData(folder: DataFolder, clock: Clock, firstMembers: readonly ConfChange[]): Promise<OpenedData> {
  if (folder.hasIncoming()) {
    if (folder.isQuarantined() || (await appliedIndexIn(folder, "incoming")) > (await appliedIndexIn(folder, "state")))
      folder.installIncoming();
    else folder.dropIncoming();
  }
  const { state, backend, applied } = await openState(folder, clock).catch((error: unknown) => {
    throw damageOf("state", error);
  });
  try {
    return { state, backend, applied, ...(await openLog(folder, firstMembers, state, applied)) };
  } catch (error) {
    await backend.close();
    throw damageOf("log", error);
  }
}

function damageOf(part: "state" | "log", error: unknown): unknown {
  if (error instanceof DataDamaged || !isStoreError(error, "DATA_DAMAGED")) return error;
  return new DataDamaged(part, error.message, { cause: error });
}

async function openState(folder: DataFolder, clock: Clock): Promise<Pick<OpenedData, "state" | "backend" | "applied">> {
  const backend = await LevelBackend.open(await folder.open("state"), clock);
  try {
    const state = new StateMachine({ backend });
    for (const table of StateMachine.loadOrder) {
      for await (const chunk of backend.rows(table)) for (const [key, value] of chunk) state.load(table, key, value);
    }
    state.finishLoading();
    const stored = readApplied(backend);
    const applied = stored === undefined ? { index: 0, term: 0 } : decodeApplied(stored);
    return { state, backend, applied };
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/** -1 for a state that cannot be read: any other is better. */
async function appliedIndexIn(folder: DataFolder, name: "state" | "incoming"): Promise<number> {
  const database = await folder.open(name);
  try {
    const stored = database.get(appliedRow(0, 0).key);
    return stored === undefined ? 0 : decodeApplied(stored).index;
  } catch (error) {
    if (isStoreError(error, "DATA_DAMAGED")) return -1;
    throw error;
  } finally {
    await database.close();
  }
}

/** The log on disk and its copy in memory, brought into agreement with the state. */
async function openLog(
  folder: DataFolder,
  firstMembers: readonly ConfChange[],
  state: StateMachine,
  applied: { index: number; term: number },
): Promise<{ log: LevelLog; memoryLog: MemoryLog }> {
  const { log, stored } = await LevelLog.open(await folder.open("log"));
  try {
    const usable = stored ?? (await firstLog(firstMembers, log));
    const { hardState, previous, entries } = usable;
    const lastIndex = previous.index + entries.length;
    const termAtApplied = applied.index === previous.index ? previous.term : entries[applied.index - previous.index - 1]?.term;
    if (applied.index >= previous.index && applied.index <= lastIndex && (applied.index === 0 || termAtApplied === applied.term)) {
      const confState = state.members.confState();
      const snapshot =
        applied.index === 0
          ? {}
          : { snapshot: { metadata: { index: applied.index, term: applied.term, confState }, data: new Uint8Array(0) } };
      return { log, memoryLog: new MemoryLog({ hardState, confState, entries, previous, ...snapshot }) };
    }
    if (applied.index < previous.index)
      throw new DataDamaged(
        "state",
        `Cannot use the data: the state ends at entry ${applied.index}, the log begins after ${previous.index}`,
      );
    // The state is a snapshot that the log has not followed yet.
    const followed: HardState = {
      term: Math.max(hardState.term, applied.term),
      vote: hardState.term >= applied.term ? hardState.vote : 0n,
      commit: applied.index,
    };
    await log.reset(applied, followed);
    const confState = state.members.confState();
    return {
      log,
      memoryLog: new MemoryLog({
        hardState: followed,
        confState,
        entries: [],
        previous: applied,
        snapshot: { metadata: { ...applied, confState }, data: new Uint8Array(0) },
      }),
    };
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** A new cluster's members all begin with the same entries: each other's names. One that joins begins with nothing. */
async function firstLog(firstMembers: readonly ConfChange[], log: LevelLog): Promise<StoredLog> {
  const previous = { index: 0, term: 0 };
  if (firstMembers.length === 0) return { hardState: { term: 0, vote: 0n, commit: 0 }, previous, entries: [] };
  const { hardState, entries } = bootstrapLog(firstMembers);
  await log.append([{ hardState, entries }]);
  return { hardState, previous, entries };
}
