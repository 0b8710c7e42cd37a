// The storage port in memory: a key space with revisions, history, compaction and watches. For tests and simulations.
import { BoundedQueue } from "@lenj/base";
import {
  type ListPage,
  type ListRange,
  type ObjectStorage,
  type StorageChange,
  StorageError,
  type StorageMessage,
  type StoredRecord,
  type WriteOutcome,
} from "../core/storage.js";

const watchCapacity = 10_000;

export class MemoryStorage implements ObjectStorage {
  #revision = 1;
  #compacted = 0;
  readonly #history: StorageChange[] = [];
  readonly #watches = new Set<{ prefix: string; queue: BoundedQueue<StorageMessage> }>();

  get revision(): number {
    return this.#revision;
  }

  get(key: string): Promise<{ record: StoredRecord | undefined; revision: number }> {
    return Promise.resolve({ record: this.#at(key, this.#revision), revision: this.#revision });
  }

  list(range: ListRange): Promise<ListPage> {
    const revision = range.revision ?? this.#revision;
    if (revision <= this.#compacted) return Promise.reject(new StorageError("COMPACTED", "required revision has been compacted"));
    if (revision > this.#revision) return Promise.reject(new StorageError("FUTURE_REVISION", "required revision is a future revision"));
    const keys = [...new Set(this.#history.map(({ key }) => key))]
      .filter((key) => key.startsWith(range.prefix) && (range.startKey === undefined || key >= range.startKey))
      .sort();
    const records = keys.map((key) => this.#at(key, revision)).filter((record) => record !== undefined);
    const limit = range.limit !== undefined && range.limit > 0 ? range.limit : records.length;
    return Promise.resolve({ records: records.slice(0, limit), revision, more: records.length > limit, count: records.length });
  }

  create(key: string, value: Uint8Array): Promise<WriteOutcome> {
    return this.replace(key, value, 0);
  }

  replace(key: string, value: Uint8Array, expectedRevision: number): Promise<WriteOutcome> {
    return Promise.resolve(this.#write("put", key, value, expectedRevision));
  }

  delete(key: string, expectedRevision: number): Promise<WriteOutcome> {
    return Promise.resolve(this.#write("delete", key, new Uint8Array(), expectedRevision));
  }

  currentRevision(): Promise<number> {
    return Promise.resolve(this.#revision);
  }

  async *watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<StorageMessage> {
    if (afterRevision < this.#compacted) throw new StorageError("COMPACTED", "required revision has been compacted");
    const queue = new BoundedQueue<StorageMessage>(watchCapacity);
    for (const change of this.#history)
      if (change.revision > afterRevision && change.key.startsWith(prefix)) queue.offer({ revision: change.revision, changes: [change] });
    const watch = { prefix, queue };
    this.#watches.add(watch);
    const onAbort = (): void => queue.fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      yield* queue;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#watches.delete(watch);
    }
  }

  requestProgress(): void {
    for (const { queue } of this.#watches) queue.offer({ revision: this.#revision, changes: [] });
  }

  /** Forgets what was before `revision`; running watches go on. */
  compact(revision: number): void {
    this.#compacted = revision;
  }

  /** Ends all running watches as a store does that compacted past them. */
  breakWatches(): void {
    for (const { queue } of this.#watches) queue.fail(new StorageError("COMPACTED", "required revision has been compacted"));
  }

  #at(key: string, revision: number): StoredRecord | undefined {
    const last = this.#history.findLast((change) => change.key === key && change.revision <= revision);
    return last === undefined || last.type === "delete" ? undefined : { key, value: last.value, revision: last.revision };
  }

  #write(type: "put" | "delete", key: string, value: Uint8Array, expectedRevision: number): WriteOutcome {
    const current = this.#at(key, this.#revision);
    if ((current?.revision ?? 0) !== expectedRevision) return { done: false, current };
    this.#revision += 1;
    const change: StorageChange = { type, key, value, revision: this.#revision };
    this.#history.push(change);
    for (const { prefix, queue } of this.#watches)
      if (key.startsWith(prefix)) queue.offer({ revision: change.revision, changes: [change] });
    return { done: true, revision: this.#revision };
  }
}
