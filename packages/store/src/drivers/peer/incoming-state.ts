// A member's state arriving as a whole: written beside the one in use, put in its place by the next opening of the member.
//
// Owns:  the partial state while it is open. What it leaves behind belongs to who holds the folder (state-receiver).
// I1. A partial state's place carries its name, so what is there is never taken for another's; there is at most one.
// I2. What a transfer goes on from is read back from its rows: each batch is on disk before the next is written, and rows come in key order.
// I3. The complete state exists only with every row on disk and the checksum of them all right.
import type { Logger } from "@lenj/base";
import type { SnapshotTrailer, StateName, StatePosition } from "@lenj/proto/raft";
import { isStoreError } from "../../core/errors.js";
import type { LevelDatabase } from "../level/level-database.js";
import { isSameState } from "./held-states.js";
import { advance, decodeRows, isSamePosition, stateBegin } from "./state-stream.js";

/** Where partial states are kept. */
export interface PartialStates {
  list(): readonly StateName[];
  /** Opens or creates. */
  open(name: StateName): Promise<LevelDatabase>;
  drop(name: StateName): void;
  /** The partial state, closed by now, becomes the one that waits to be put in place. */
  complete(name: StateName): void;
}

export class IncomingState {
  private constructor(
    readonly partials: PartialStates,
    readonly name: StateName,
    private database: LevelDatabase,
    private position: StatePosition,
  ) {}

  /** Goes on with what is there of this state. Others are superseded, and dropped. */
  static async open(partials: PartialStates, name: StateName, logger: Logger): Promise<IncomingState> {
    for (const other of partials.list()) {
      if (isSameState(other, name)) continue;
      logger.info("Snapshot starts over: another state is sent now", { droppedIndex: other.index, index: name.index });
      partials.drop(other);
    }
    try {
      const database = await partials.open(name);
      try {
        return new IncomingState(partials, name, database, await positionIn(database));
      } catch (error) {
        await database.close();
        throw error;
      }
    } catch (error) {
      if (!isStoreError(error, "DATA_DAMAGED")) throw error;
      logger.warn("Snapshot starts over: what was there of it is damaged", { index: name.index, error });
      partials.drop(name);
      return new IncomingState(partials, name, await partials.open(name), stateBegin);
    }
  }

  get held(): StatePosition {
    return this.position;
  }

  /** The sender goes on here: where this one is, or at the beginning. */
  async begin(at: StatePosition, logger: Logger): Promise<void> {
    if (isSamePosition(at, this.position)) return;
    if (at.sizeBytes !== 0) throw new Error(`the state goes on at byte ${at.sizeBytes}, not at ${this.position.sizeBytes}`);
    logger.warn("Snapshot starts over: what was there of it is not what the sender has", { droppedBytes: this.position.sizeBytes });
    await this.database.close();
    this.partials.drop(this.name);
    this.database = await this.partials.open(this.name);
    this.position = stateBegin;
  }

  /** Resolves once these rows are on disk. */
  async write(chunk: Buffer): Promise<void> {
    const rows = decodeRows(chunk);
    await this.database.write(rows.map(([key, value]) => ({ type: "put", key, value })));
    this.position = advance(this.position, rows, chunk);
  }

  /** Throws, with nothing left behind, when what arrived is not what was sent. */
  async finish(trailer: SnapshotTrailer): Promise<void> {
    const { sizeBytes, crc32 } = this.position;
    await this.database.close();
    if (trailer.sizeBytes !== sizeBytes || trailer.crc32 !== crc32) {
      this.partials.drop(this.name);
      throw new Error(`Cannot take snapshot: ${sizeBytes} bytes arrived of ${trailer.sizeBytes}, or their checksum differs`);
    }
    this.partials.complete(this.name);
  }

  /** The transfer broke off; what is on disk stays for the next. */
  release(): Promise<void> {
    return this.database.close();
  }

  async drop(): Promise<void> {
    await this.database.close();
    this.partials.drop(this.name);
  }
}

async function positionIn(database: LevelDatabase): Promise<StatePosition> {
  let position = stateBegin;
  for await (const rows of database.rows(new Uint8Array(0), Uint8Array.of(0xff))) position = advance(position, rows);
  return position;
}
