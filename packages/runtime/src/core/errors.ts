// What can go wrong in the runtime, as callers tell it apart.

export type RuntimeErrorCode =
  | "NOT_FOUND"
  | "INVALID_ARGUMENT"
  | "UNKNOWN"
  | "DEADLINE_EXCEEDED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "UNIMPLEMENTED"
  | "UNAVAILABLE"
  | "ALREADY_EXISTS";

export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  constructor(
    readonly code: RuntimeErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function isRuntimeError(error: unknown, code?: RuntimeErrorCode): error is RuntimeError {
  return error instanceof RuntimeError && (code === undefined || error.code === code);
}
