// Values that are a count or a percentage, such as maxSurge. Source: k8s.io/apimachinery pkg/util/intstr, pkg/apis/apps/validation.
import { type FieldError, invalid } from "../field/field-error.js";
import type { FieldPath } from "../field/path.js";
import { isPercent } from "../validation/names.js";

export type IntOrString = number | string;

/** The number in `25%`, or undefined for anything else. */
export function percentOf(value: IntOrString | undefined): number | undefined {
  return typeof value === "string" && /^[0-9]+%$/.test(value) ? Number(value.slice(0, -1)) : undefined;
}

/** A count as it is, a percentage of `total` rounded to a whole number. Throws RangeError for other strings. */
export function scaleIntOrPercent(value: IntOrString, total: number, options: { roundUp: boolean }): number {
  if (typeof value === "number") return value;
  const percent = percentOf(value);
  if (percent === undefined) throw new RangeError(`invalid value for IntOrString: invalid type: string is not a percentage`);
  const scaled = (percent * total) / 100;
  return options.roundUp ? Math.ceil(scaled) : Math.floor(scaled);
}

export function validatePositiveIntOrPercent(value: IntOrString, path: FieldPath): FieldError[] {
  if (typeof value === "string") return isPercent(value).map((message) => invalid(path, value, message));
  return value < 0 ? [invalid(path, value, "must be greater than or equal to 0")] : [];
}

export function validateNotOver100Percent(value: IntOrString, path: FieldPath): FieldError[] {
  const percent = percentOf(value);
  return percent !== undefined && percent > 100 ? [invalid(path, value, "must not be greater than 100%")] : [];
}
