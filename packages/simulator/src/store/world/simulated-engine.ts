// LevelDB as the store uses it, in memory: what is durable outlives a crash, what is under way may or may not.
//
// E1. A batch is atomic. It is durable once its promise resolves; before that a crash keeps all of it or nothing (a torn record is dropped
//     by LevelDB's own checksum).
// E2. Batches given without waiting for the one before may become durable in any order.
// E3. After a failed write everything fails until the database is opened anew; the failed batch may turn out to be there.
import type { DatabaseView, EngineIterator, EngineRange, StorageEngine, WriteOperation } from "@lenj/store/testing";
import type { SimulatedDisk } from "./simulated-disk.js";

/** Rows by key, one character a byte. */
export type Rows = Map<string, Uint8Array>;

/** Few, so that reading everything takes several turns. */
const rowsAtOnceMax = 10;

export interface EngineHost {
  /** Runs what is left to do when a write is on disk, if the process still is there. */
  run(action: () => void): void;
  readonly isAlive: boolean;
}

const nameOf = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");

export class SimulatedEngine implements StorageEngine {
  #failure: Error | undefined;

  constructor(
    readonly rows: Rows,
    readonly disk: SimulatedDisk,
    readonly host: EngineHost,
  ) {}

  getSync(key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(nameOf(key));
  }

  batch(operations: readonly WriteOperation[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.disk.write({
        store: () => store(this.rows, operations),
        onDone: (error) =>
          this.host.run(() => {
            if (error === undefined) resolve();
            else {
              this.#failure = error;
              reject(error);
            }
          }),
      });
    });
  }

  iterator({ gte, lt, snapshot }: EngineRange): EngineIterator {
    const [low, high] = [nameOf(gte), nameOf(lt)];
    const rows = snapshot instanceof View ? snapshot.rows : this.rows;
    const names = [...rows.keys()].filter((name) => name >= low && name < high).sort();
    const found = names.map((name): [Uint8Array, Uint8Array] => [Buffer.from(name, "latin1"), rows.get(name) as Uint8Array]);
    let at = 0;
    return {
      nextv: (size) => {
        const chunk = found.slice(at, at + Math.min(size, rowsAtOnceMax));
        at += chunk.length;
        return Promise.resolve(chunk);
      },
      close: () => Promise.resolve(),
    };
  }

  /** Taken of states that are to be sent. */
  snapshot(): View {
    this.disk.onSending();
    return new View(new Map(this.rows));
  }

  approximateSize(): Promise<number> {
    return Promise.resolve(0);
  }

  compactRange(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class View implements DatabaseView {
  constructor(readonly rows: Rows) {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export function store(rows: Rows, operations: readonly WriteOperation[]): void {
  for (const operation of operations) {
    const name = nameOf(operation.key);
    if (operation.type === "put") rows.set(name, Uint8Array.from(operation.value));
    else rows.delete(name);
  }
}
