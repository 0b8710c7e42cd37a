import type { Backend, Table } from "../backend.js";
import { keyFromBytes, keyToBytes } from "../key-range.js";
import { createOrderedKeys, type OrderedKeys } from "../ordered-keys.js";

/** A backend in memory, for tests and the simulator. */
export class MemoryBackend implements Backend {
  readonly #tables = new Map<Table, OrderedKeys<Uint8Array>>();

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.#rows(table).get(keyFromBytes(key));
  }

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.#rows(table).set(keyFromBytes(key), Uint8Array.from(value));
  }

  delete(table: Table, key: Uint8Array): void {
    this.#rows(table).delete(keyFromBytes(key));
  }

  /** All rows of a table in key order. */
  rows(table: Table): [key: Uint8Array, value: Uint8Array][] {
    return this.#rows(table)
      .toArray()
      .map(([key, value]) => [keyToBytes(key), value]);
  }

  #rows(table: Table): OrderedKeys<Uint8Array> {
    let rows = this.#tables.get(table);
    if (rows === undefined) {
      rows = createOrderedKeys<Uint8Array>();
      this.#tables.set(table, rows);
    }
    return rows;
  }
}
