// Small building blocks of validation code.
import { type FieldError, type FieldPath, invalid, notSupported, Quantity, required } from "@lenj/apimachinery";

/** Runs a check on every item with its path. */
export function checkEach<T>(
  list: readonly T[] | undefined,
  path: FieldPath,
  check: (item: T, path: FieldPath, position: number) => FieldError[],
): FieldError[] {
  return (list ?? []).flatMap((item, position) => check(item, path.index(position), position));
}

/** The messages of a rule for names as errors of a field. */
export function checkRule(value: string, path: FieldPath, rule: (value: string) => string[]): FieldError[] {
  return rule(value).map((message) => invalid(path, value, message));
}

/** As checkRule, and the value must not be empty. */
export function checkRequiredRule(value: string | undefined, path: FieldPath, rule: (value: string) => string[]): FieldError[] {
  return value ? checkRule(value, path, rule) : [required(path)];
}

/** As checkRule, for fields that may be empty. */
export function checkOptionalRule(value: string | undefined, path: FieldPath, rule: (value: string) => string[]): FieldError[] {
  return value ? checkRule(value, path, rule) : [];
}

/** `supported` is listed as given. */
export function checkOneOf(value: string | undefined, path: FieldPath, supported: readonly string[]): FieldError[] {
  if (!value) return [required(path)];
  return supported.includes(value) ? [] : [notSupported(path, value, supported)];
}

export function checkOptionalOneOf(value: string | undefined, path: FieldPath, supported: readonly string[]): FieldError[] {
  return value === undefined || supported.includes(value) ? [] : [notSupported(path, value, supported)];
}

export function checkRequired(value: unknown, path: FieldPath, detail = ""): FieldError[] {
  return value === undefined || value === null || value === "" ? [required(path, detail)] : [];
}

export function checkPositive(value: number | undefined, path: FieldPath): FieldError[] {
  return (value ?? 0) > 0 ? [] : [invalid(path, value ?? 0, "must be greater than 0")];
}

export function checkRange(value: number | undefined, path: FieldPath, low: number, high: number): FieldError[] {
  return value === undefined || (value >= low && value <= high)
    ? []
    : [invalid(path, value, `must be between ${low} and ${high}, inclusive`)];
}

export function checkNonNegativeQuantity(text: string, path: FieldPath): FieldError[] {
  return Quantity.parse(text).sign() < 0 ? [invalid(path, text, "must be greater than or equal to 0")] : [];
}

/** Neither absolute nor with a `..` step. */
export function checkLocalDescendingPath(value: string, path: FieldPath): FieldError[] {
  const errors = value.startsWith("/") ? [invalid(path, value, "must be a relative path")] : [];
  return [...errors, ...checkNoBacksteps(value, path)];
}

export function checkNoBacksteps(value: string, path: FieldPath): FieldError[] {
  return value.split("/").includes("..") ? [invalid(path, value, "must not contain '..'")] : [];
}

/** A path for a file in a volume that the kubelet writes: nothing starting with `..`, which it keeps for itself. */
export function checkLocalNonReservedPath(value: string, path: FieldPath): FieldError[] {
  const errors = checkLocalDescendingPath(value, path);
  if (value.startsWith("..") && !value.startsWith("../")) errors.push(invalid(path, value, "must not start with '..'"));
  return errors;
}

const octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const ipv4Pattern = new RegExp(`^${octet}(?:\\.${octet}){3}$`);

export function isIPv4(value: string): boolean {
  return ipv4Pattern.test(value);
}

export function isIPv6(value: string): boolean {
  if (!value.includes(":") || !/^[0-9a-fA-F:.]+$/.test(value)) return false;
  const [head = "", tail, ...more] = value.split("::");
  if (more.length > 0) return false;
  const groups = (part: string): number => {
    if (part === "") return 0;
    let count = 0;
    const pieces = part.split(":");
    for (const [position, piece] of pieces.entries()) {
      if (position === pieces.length - 1 && piece.includes(".")) {
        if (!isIPv4(piece)) return Number.NaN;
        count += 2;
      } else if (/^[0-9a-fA-F]{1,4}$/.test(piece)) count += 1;
      else return Number.NaN;
    }
    return count;
  };
  const total = groups(head) + (tail === undefined ? 0 : groups(tail));
  return tail === undefined ? total === 8 : total <= 7;
}

export function checkIP(value: string, path: FieldPath): FieldError[] {
  return isIPv4(value) || isIPv6(value) ? [] : [invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")];
}

export function isCIDR(value: string): boolean {
  const [address = "", bits, ...more] = value.split("/");
  if (bits === undefined || more.length > 0 || !/^(0|[1-9][0-9]{0,2})$/.test(bits)) return false;
  return (isIPv4(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128);
}

export function checkCIDR(value: string, path: FieldPath): FieldError[] {
  return isCIDR(value) ? [] : [invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")];
}

/** A port by number or by name. */
export function checkPort(
  value: number | string | undefined,
  path: FieldPath,
  rules: { number: (port: number) => string[]; name: (name: string) => string[] },
): FieldError[] {
  if (typeof value === "string") return checkRule(value, path, rules.name);
  return rules.number(value ?? 0).map((message) => invalid(path, value ?? 0, message));
}
