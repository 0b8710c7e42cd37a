/**
 * - COMPACTED: the revision is below the compacted one (for a compaction: at or below it).
 * - FUTURE_REVISION: the revision does not exist yet.
 * - LEASE_NOT_FOUND, LEASE_EXISTS, LEASE_TTL_TOO_LARGE: of lease operations, and of puts that name a lease.
 * - KEY_NOT_FOUND: a put asked to keep the value or lease of a key that does not exist.
 */
export type MvccErrorCode = "COMPACTED" | "FUTURE_REVISION" | "LEASE_NOT_FOUND" | "LEASE_EXISTS" | "LEASE_TTL_TOO_LARGE" | "KEY_NOT_FOUND";

export class MvccError extends Error {
  override readonly name = "MvccError";

  constructor(
    readonly code: MvccErrorCode,
    message: string = code,
  ) {
    super(message);
  }
}

export const isMvccError = (error: unknown, code?: MvccErrorCode): error is MvccError =>
  error instanceof MvccError && (code === undefined || error.code === code);
