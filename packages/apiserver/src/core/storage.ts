// What the server asks of the store behind it: a flat key space with revisions, as etcd v3 has it.
//
// Revisions are positive integers that grow over the whole store; a record's revision is that of its last write.

export interface StoredRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
}

export interface ListPage {
  /** In key order. */
  readonly records: readonly StoredRecord[];
  /** The revision that the page shows. */
  readonly revision: number;
  readonly more: boolean;
  /** Number of keys in the range from `startKey` on, those of this page included. */
  readonly count: number;
}

export interface ListRange {
  /** Every key that starts so. */
  readonly prefix: string;
  /** Leaves out smaller keys. */
  readonly startKey?: string | undefined;
  /** 0 or absent: no limit. */
  readonly limit?: number | undefined;
  /** Shows the past; absent: now. */
  readonly revision?: number | undefined;
}

/** The outcome of a conditional write. On failure `current` is what is there instead (undefined: nothing). */
export type WriteOutcome =
  | { readonly done: true; readonly revision: number }
  | { readonly done: false; readonly current: StoredRecord | undefined };

export interface StorageChange {
  readonly type: "put" | "delete";
  readonly key: string;
  /** Empty for deletes. */
  readonly value: Uint8Array;
  readonly revision: number;
}

export interface StorageMessage {
  /** Every change up to this revision has been delivered once this message is processed. */
  readonly revision: number;
  readonly changes: readonly StorageChange[];
}

export interface StorageCallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ObjectStorage {
  get(key: string, options?: StorageCallOptions): Promise<{ record: StoredRecord | undefined; revision: number }>;
  list(range: ListRange, options?: StorageCallOptions): Promise<ListPage>;
  /** Succeeds only where nothing is. */
  create(key: string, value: Uint8Array, options?: StorageCallOptions & { ttlSeconds?: number | undefined }): Promise<WriteOutcome>;
  /** Succeeds only on exactly this revision. */
  replace(
    key: string,
    value: Uint8Array,
    expectedRevision: number,
    options?: StorageCallOptions & { ttlSeconds?: number | undefined },
  ): Promise<WriteOutcome>;
  /** Succeeds only on exactly this revision. */
  delete(key: string, expectedRevision: number, options?: StorageCallOptions): Promise<WriteOutcome>;
  /** The store's revision now, linearizable. */
  currentRevision(options?: StorageCallOptions): Promise<number>;
  /** Changes after `afterRevision` under `prefix`, in revision order; throws StorageError COMPACTED when they are gone. */
  watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<StorageMessage>;
  /** Asks for a message that says how far the watches are. */
  requestProgress(): void;
}

/**
 * - COMPACTED: the revision asked for is gone.
 * - FUTURE_REVISION: it is not there yet.
 * - TOO_LARGE: the store refuses a value of this size.
 * - UNAVAILABLE: nobody answered; a write may have happened.
 */
export type StorageErrorCode = "COMPACTED" | "FUTURE_REVISION" | "TOO_LARGE" | "UNAVAILABLE";

export class StorageError extends Error {
  override readonly name = "StorageError";

  constructor(
    readonly code: StorageErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const isStorageError = (error: unknown, code?: StorageErrorCode): error is StorageError =>
  error instanceof StorageError && (code === undefined || error.code === code);
