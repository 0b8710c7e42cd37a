export type SchemaErrorCode =
  /** The text is not JSON. */
  | "MALFORMED_JSON"
  /** A value has the wrong type, or a text of it cannot be read. */
  | "TYPE_MISMATCH"
  /** The bytes are not the protobuf encoding of the type. */
  | "MALFORMED_PROTOBUF"
  /** No schema is known for the kind. */
  | "UNKNOWN_KIND"
  /** The type has no protobuf encoding. */
  | "NO_PROTOBUF"
  /** Nesting is deeper than the limit. */
  | "TOO_DEEP";

/** What decoding and encoding report. Messages are upstream's, without the sentence the api-server puts around them. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
  constructor(
    readonly code: SchemaErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const isSchemaError = (error: unknown, code?: SchemaErrorCode): error is SchemaError =>
  error instanceof SchemaError && (code === undefined || error.code === code);
