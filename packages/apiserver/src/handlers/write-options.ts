// Query parameters of writes. Source: k8s.io/apimachinery pkg/apis/meta/v1/validation.
import { type FieldError, field, newInvalid } from "@lenj/apimachinery";
import type { WriteOptions } from "./call.js";

const fieldManagerLengthMax = 128;
const validations: ReadonlySet<string> = new Set(["Strict", "Warn", "Ignore"]);

export type WriteOptionsKind = "CreateOptions" | "UpdateOptions" | "PatchOptions";

export interface RawWriteOptions {
  readonly dryRun: readonly string[];
  readonly fieldManager: string;
  readonly fieldValidation: string;
  readonly force?: boolean | undefined;
  readonly isApply?: boolean;
}

/** Throws StatusError Invalid naming every wrong option. */
export function checkWriteOptions(raw: RawWriteOptions, kind: WriteOptionsKind, userAgent: string): WriteOptions {
  const errors: FieldError[] = [];
  if (kind === "PatchOptions") {
    if (raw.isApply === true) {
      if (raw.fieldManager === "") errors.push(field.required("fieldManager", "is required for apply patch"));
    } else if (raw.force !== undefined) {
      errors.push(field.forbidden("force", "may not be specified for non-apply patch"));
    }
  }
  if (Buffer.byteLength(raw.fieldManager) > fieldManagerLengthMax) errors.push(field.tooLong("fieldManager", fieldManagerLengthMax));
  else if (!/^[\P{C}]*$/u.test(raw.fieldManager))
    errors.push(field.invalid("fieldManager", raw.fieldManager, "should only contain printable characters"));
  if (raw.dryRun.some((value) => value !== "All")) errors.push(field.notSupported("dryRun", raw.dryRun, ["All"]));
  if (raw.fieldValidation !== "" && !validations.has(raw.fieldValidation)) {
    errors.push(field.notSupported("fieldValidation", raw.fieldValidation, ["Ignore", "Strict", "Warn"]));
  }
  if (errors.length > 0) throw newInvalid({ group: "meta.k8s.io", kind }, "", errors);
  return {
    dryRun: raw.dryRun.length > 0,
    fieldManager: raw.fieldManager !== "" ? raw.fieldManager : defaultFieldManager(userAgent),
    fieldValidation: raw.fieldValidation === "" ? "Warn" : (raw.fieldValidation as WriteOptions["fieldValidation"]),
  };
}

export function rawWriteOptions(query: URLSearchParams): RawWriteOptions {
  return {
    dryRun: query.getAll("dryRun").filter((value) => value !== ""),
    fieldManager: query.get("fieldManager") ?? "",
    fieldValidation: query.get("fieldValidation") ?? "",
  };
}

function defaultFieldManager(userAgent: string): string {
  const name = userAgent.split("/")[0] ?? "";
  return name === "" ? "unknown" : Buffer.from(name).subarray(0, fieldManagerLengthMax).toString("utf8");
}
