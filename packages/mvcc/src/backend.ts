// Where the key space keeps what must survive: ordered tables of bytes, written in groups that are atomic.

/**
 * - key: 17-byte revision → encoded KeyValue (a KeyValue without mod_revision is a tombstone)
 * - lease: 8-byte lease ID → granted and remaining TTL
 * - meta: applied index, compaction marks, cluster identity
 * - members, alarm, auth: owned by the store's replicated state
 */
export type Table = "key" | "lease" | "meta" | "members" | "alarm" | "auth";

export const tables: readonly Table[] = ["key", "lease", "meta", "members", "alarm", "auth"];

/**
 * Synchronous storage. Writes are visible to `get` at once; when they become durable is the implementation's affair, but what was
 * written between two of its group boundaries becomes durable together or not at all.
 */
export interface Backend {
  /** The value, which neither side may change, or undefined. */
  get(table: Table, key: Uint8Array): Uint8Array | undefined;
  put(table: Table, key: Uint8Array, value: Uint8Array): void;
  delete(table: Table, key: Uint8Array): void;
}
