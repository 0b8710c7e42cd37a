/** The reconcile of this object cannot succeed until the object changes: it is logged and not retried. */
export class TerminalError extends Error {
  override readonly name = "TerminalError";
  readonly code = "TERMINAL";
}
