/** A header block that breaks RFC 7541. The state of both sides' tables is lost: only ending the connection helps. */
export class HpackError extends Error {
  override readonly name = "HpackError";
}
