/**
 * - CONFIG_INVALID: a RaftConfig value is out of range or contradicts another.
 * - CONF_CHANGE_INVALID: a membership change cannot be applied to the current membership.
 * - ENTRY_CORRUPT: an entry's data cannot be decoded.
 */
export type RaftErrorCode = "CONFIG_INVALID" | "CONF_CHANGE_INVALID" | "ENTRY_CORRUPT";

export class RaftError extends Error {
  override readonly name = "RaftError";
  constructor(
    readonly code: RaftErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const isRaftError = (error: unknown, code?: RaftErrorCode): error is RaftError =>
  error instanceof RaftError && (code === undefined || error.code === code);
