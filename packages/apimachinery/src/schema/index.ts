// The door to schemas and codecs: `@lenj/apimachinery/schema`. Apart from the package's main door because only processes that serve
// or encode API objects pay for it.
export { decodeProtobuf, type Envelope, encodeProtobuf, readEnvelope } from "../codec/envelope.js";
export { isEnvelope } from "../codec/envelope-magic.js";
export { decodeMessage } from "../codec/protobuf-decode.js";
export { encodeMessage } from "../codec/protobuf-encode.js";
export { type Decoded, type DecodeOptions, decode } from "./decode.js";
export { decodeJSON, duplicateFieldErrors } from "./decode-json.js";
export { isSchemaError, SchemaError, type SchemaErrorCode } from "./errors.js";
export { findDuplicateKeys, type JSONPath, parseJSON } from "./json-text.js";
export { fieldAtPath, patchSchemaOf } from "./lookup.js";
export { createSchemaRegistry } from "./registry.js";
// For packages that build schemas or normal forms of their own.
export { structuralSchema } from "./structural.js";
export type { DescriptionTable, FieldEntry, SchemaTable, TypeEntry } from "./table.js";
export type * from "./types.js";
export { isZero, zeroOf } from "./values.js";
