// One wrong field of an object, in upstream's words. Source: k8s.io/apimachinery pkg/util/validation/field.
import type { FieldPath } from "./path.js";

/** The `reason` of a Status cause. */
export type FieldErrorType =
  | "FieldValueNotFound"
  | "FieldValueRequired"
  | "FieldValueDuplicate"
  | "FieldValueInvalid"
  | "FieldValueNotSupported"
  | "FieldValueForbidden"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "InternalError"
  | "FieldValueTypeInvalid";

export interface FieldError {
  readonly type: FieldErrorType;
  readonly field: string;
  /** The message without the path: `Invalid value: -1: must be greater than or equal to 0`. */
  readonly body: string;
}

/** Strings are quoted, numbers and booleans bare, objects compact JSON. */
export function formatBadValue(value: unknown): string {
  if (value === undefined || value === null) return "null";
  if (typeof value === "string") return quote(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** A string in double quotes with the escapes of Go's %q. */
export function quote(text: string): string {
  let out = "";
  for (const character of text) {
    const escaped = escapes[character];
    if (escaped !== undefined) out += escaped;
    else if (character < " " || character === "\x7f") out += `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
    else out += character;
  }
  return `"${out}"`;
}

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\b": "\\b",
  "\f": "\\f",
  "\v": "\\v",
  "\x07": "\\a",
};

function build(type: FieldErrorType, path: FieldPath | string, head: string, detail: string): FieldError {
  return { type, field: path.toString(), body: detail === "" ? head : `${head}: ${detail}` };
}

export function invalid(path: FieldPath | string, value: unknown, detail: string): FieldError {
  return build("FieldValueInvalid", path, `Invalid value: ${formatBadValue(value)}`, detail);
}

export function required(path: FieldPath | string, detail = ""): FieldError {
  return build("FieldValueRequired", path, "Required value", detail);
}

export function duplicate(path: FieldPath | string, value: unknown): FieldError {
  return build("FieldValueDuplicate", path, `Duplicate value: ${formatBadValue(value)}`, "");
}

export function forbidden(path: FieldPath | string, detail: string): FieldError {
  return build("FieldValueForbidden", path, "Forbidden", detail);
}

export function notFound(path: FieldPath | string, value: unknown): FieldError {
  return build("FieldValueNotFound", path, `Not found: ${formatBadValue(value)}`, "");
}

/** `supported` is printed in the given order; upstream sorts it, so pass it sorted. */
export function notSupported(path: FieldPath | string, value: unknown, supported: readonly string[]): FieldError {
  const detail = supported.length === 0 ? "" : `supported values: ${supported.map(quote).join(", ")}`;
  return build("FieldValueNotSupported", path, `Unsupported value: ${formatBadValue(value)}`, detail);
}

/** The value itself is not repeated: it is long. */
export function tooLong(path: FieldPath | string, maxBytes: number): FieldError {
  return build("FieldValueTooLong", path, "Too long", `may not be more than ${maxBytes} byte${maxBytes === 1 ? "" : "s"}`);
}

export function tooMany(path: FieldPath | string, actual: number, max: number): FieldError {
  return build("FieldValueTooMany", path, `Too many: ${actual}`, `must have at most ${max} item${max === 1 ? "" : "s"}`);
}

export function typeInvalid(path: FieldPath | string, value: unknown, detail: string): FieldError {
  return build("FieldValueTypeInvalid", path, `Invalid value: ${formatBadValue(value)}`, detail);
}

export function internal(path: FieldPath | string, detail: string): FieldError {
  return build("InternalError", path, "Internal error", detail);
}

/** `spec.replicas: Invalid value: -1: must be greater than or equal to 0`. */
export function formatFieldError(error: FieldError): string {
  return `${error.field}: ${error.body}`;
}
