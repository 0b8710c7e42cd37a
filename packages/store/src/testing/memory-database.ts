// A database in memory for unit tests.
import { type DatabaseView, LevelDatabase, type StorageEngine, type WriteOperation } from "../drivers/level/level-database.js";

class View implements DatabaseView {
  constructor(readonly rows: ReadonlyMap<string, Uint8Array>) {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Each open database sees `rows`: keys as one character a byte. */
export function memoryDatabase(rows: Map<string, Uint8Array>): LevelDatabase {
  const nameOf = (key: Uint8Array): string => Buffer.from(key).toString("latin1");
  const engine: Partial<StorageEngine> = {
    getSync: (key) => rows.get(nameOf(key)),
    batch: (operations: readonly WriteOperation[]) => {
      for (const operation of operations) {
        if (operation.type === "del") rows.delete(nameOf(operation.key));
        else rows.set(nameOf(operation.key), operation.value);
      }
      return Promise.resolve();
    },
    iterator: ({ gte, lt, snapshot }) => {
      const shown = snapshot instanceof View ? snapshot.rows : rows;
      const wanted = [...shown].filter(([name]) => name >= nameOf(gte) && name < nameOf(lt)).sort(([a], [b]) => (a < b ? -1 : 1));
      const left = wanted.map(([name, value]): [Uint8Array, Uint8Array] => [Buffer.from(name, "latin1"), value]);
      return { nextv: (size) => Promise.resolve(left.splice(0, size)), close: () => Promise.resolve() };
    },
    snapshot: () => new View(new Map(rows)),
    close: () => Promise.resolve(),
  };
  return new LevelDatabase(engine as StorageEngine, "memory");
}
