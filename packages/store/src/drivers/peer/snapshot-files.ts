// A member's state arriving as a whole: written beside the one in use, put in its place by the next opening of the member.
//
// I1. The folder `incoming.complete` exists only with every row on disk and its checksum right.
// I2. Putting it in place is repeated by the next start until it is done, whenever a crash comes.
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { SnapshotChunk, SnapshotHeader } from "@lenj/proto/raft";
import type { LevelBackend } from "../level/level-backend.js";
import { LevelDatabase, type WriteOperation } from "../level/level-database.js";

const partial = (folder: string): string => `${folder}/incoming`;
export const completeFolder = (folder: string): string => `${folder}/incoming.complete`;

/** One chunk of rows: for each, key length and value length in four bytes each, then both. */
export function encodeRows(rows: readonly (readonly [Uint8Array, Uint8Array])[]): Buffer {
  return Buffer.concat(
    rows.flatMap(([key, value]) => {
      const head = Buffer.alloc(8);
      head.writeUInt32BE(key.length, 0);
      head.writeUInt32BE(value.length, 4);
      return [head, key, value];
    }),
  );
}

/** Header, every durable row, trailer. The state may be newer than the header says, which the receiver sees from the rows. */
export async function* stateChunks(backend: LevelBackend, header: SnapshotHeader): AsyncGenerator<SnapshotChunk, void, undefined> {
  await backend.flush();
  let [sizeBytes, crc] = [0, 0];
  yield { chunk: { $case: "header", value: header } };
  for await (const rows of backend.allRows()) {
    if (rows.length === 0) continue;
    const data = encodeRows(rows);
    sizeBytes += data.length;
    crc = crc32(data, crc);
    yield { chunk: { $case: "data", value: data } };
  }
  yield { chunk: { $case: "trailer", value: { sizeBytes, crc32: crc } } };
}

export class IncomingState {
  #crc = 0;
  #bytes = 0;

  private constructor(
    readonly folder: string,
    readonly database: LevelDatabase,
  ) {}

  static async start(folder: string): Promise<IncomingState> {
    rmSync(partial(folder), { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    return new IncomingState(
      folder,
      await LevelDatabase.open(partial(folder), { writeBufferBytes: 4 * 1024 * 1024, cacheBytes: 1024 * 1024 }),
    );
  }

  async write(chunk: Buffer): Promise<void> {
    this.#crc = crc32(chunk, this.#crc);
    this.#bytes += chunk.length;
    const operations: WriteOperation[] = [];
    for (let at = 0; at < chunk.length; ) {
      const valueAt = at + 8 + chunk.readUInt32BE(at);
      const end = valueAt + chunk.readUInt32BE(at + 4);
      operations.push({ type: "put", key: chunk.subarray(at + 8, valueAt), value: chunk.subarray(valueAt, end) });
      at = end;
    }
    await this.database.write(operations);
  }

  /** Throws when what arrived is not what was sent. */
  async finish(trailer: { readonly sizeBytes: number; readonly crc32: number }): Promise<void> {
    await this.database.close();
    if (trailer.sizeBytes !== this.#bytes || trailer.crc32 !== this.#crc)
      throw new Error(`Cannot take snapshot: ${this.#bytes} bytes arrived of ${trailer.sizeBytes}, or their checksum differs`);
    rmSync(completeFolder(this.folder), { recursive: true, force: true });
    renameSync(partial(this.folder), completeFolder(this.folder));
  }

  async abandon(): Promise<void> {
    await this.database.close();
    rmSync(partial(this.folder), { recursive: true, force: true });
  }
}

/** Whether a complete state waits to be put in place. */
export const hasIncoming = (folder: string): boolean => existsSync(completeFolder(folder));

/** Puts a complete state in the place of the one in use. */
export function installIncoming(folder: string, stateFolder: string): void {
  rmSync(stateFolder, { recursive: true, force: true });
  renameSync(completeFolder(folder), stateFolder);
}

export function dropIncoming(folder: string): void {
  rmSync(completeFolder(folder), { recursive: true, force: true });
}
