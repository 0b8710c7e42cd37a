import type { DataFolder, LevelDatabase, PartialStates, QuarantineMark, Replica } from "@lenj/store/testing";
import type { StoreMember } from "../store-member.js";

/**
 * A bug put into members on purpose, to see that the checkers notice. It replaces a method of objects that the simulator has made, or what
 * stands under them: the store itself has no switch for it.
 */
export interface Plant {
  readonly takesLateSnapshots: boolean;
  /** Stands between a member and its disk. */
  folder(folder: DataFolder, member: StoreMember): DataFolder;
  /** Stands between a member and the states that arrive on its disk. */
  partials(partials: PartialStates, member: StoreMember): PartialStates;
  /** Stands between a member and its note that its state is damaged. */
  mark(mark: QuarantineMark): QuarantineMark;
  /** A replica was made and has not started yet. */
  onOpened(member: StoreMember, replica: Replica): void;
}

export const noPlant: Plant = {
  takesLateSnapshots: false,
  folder: (folder) => folder,
  partials: (partials) => partials,
  mark: (mark) => mark,
  onOpened: () => {},
};

/** From each write, one row. */
export function leaveOutRows(database: LevelDatabase): void {
  const write = database.write.bind(database);
  database.write = (operations) => write(operations.filter((_, at) => at !== operations.length >> 1));
}
