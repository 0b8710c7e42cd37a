export type BoltErrorCode =
  /** No usable meta page: not a bbolt file, or its head is damaged. */
  | "INVALID"
  /** A page does not hold what the format says it must. */
  | "DAMAGED"
  /** Rows handed to the writer break its rules. */
  | "ROWS_INVALID";

/** What can be wrong with a file or with rows to write. `page` is the page's number where one is known. */
export class BoltError extends Error {
  override readonly name = "BoltError";
  constructor(
    readonly code: BoltErrorCode,
    message: string,
    readonly page?: number,
  ) {
    super(message);
  }
}

export const isBoltError = (error: unknown, code?: BoltErrorCode): error is BoltError =>
  error instanceof BoltError && (code === undefined || error.code === code);
