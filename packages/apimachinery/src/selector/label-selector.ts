// Label selectors: the LabelSelector object, the string grammar, matching. Source: k8s.io/apimachinery pkg/labels, pkg/apis/meta/v1/helpers.go.
import { formatFieldError, invalid } from "../field/field-error.js";
import { isLabelValue, isQualifiedName } from "../validation/names.js";

export interface LabelSelectorRequirement {
  key: string;
  /** In, NotIn, Exists or DoesNotExist. */
  operator: string;
  values?: string[] | undefined;
}

export interface LabelSelector {
  matchLabels?: Record<string, string> | undefined;
  matchExpressions?: LabelSelectorRequirement[] | undefined;
}

export type Labels = Readonly<Record<string, string>>;

export type RequirementOperator = "in" | "notin" | "=" | "==" | "!=" | "exists" | "!" | "gt" | "lt";

export interface Requirement {
  readonly key: string;
  readonly operator: RequirementOperator;
  readonly values: readonly string[];
}

export type SelectorErrorCode = "PARSE" | "OPERATOR";

export class SelectorError extends Error {
  override readonly name = "SelectorError";
  constructor(
    readonly code: SelectorErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** Requirements that must all hold; `nothing` matches no object. */
export class Selector {
  private constructor(
    readonly requirements: readonly Requirement[],
    readonly isNothing: boolean,
  ) {}

  static readonly everything = new Selector([], false);
  /** What a missing LabelSelector object means. */
  static readonly nothing = new Selector([], true);

  static of(requirements: readonly Requirement[]): Selector {
    return new Selector(
      [...requirements].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)),
      false,
    );
  }

  get isEverything(): boolean {
    return !this.isNothing && this.requirements.length === 0;
  }

  matches(labels: Labels | undefined): boolean {
    if (this.isNothing) return false;
    return this.requirements.every((requirement) => holds(requirement, labels ?? {}));
  }

  /** The string grammar; "" for everything. */
  toString(): string {
    return this.requirements.map(formatRequirement).join(",");
  }
}

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "in":
    case "=":
    case "==":
      return value !== undefined && values.includes(value);
    case "notin":
    case "!=":
      return value === undefined || !values.includes(value);
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "gt":
    case "lt": {
      if (value === undefined || !/^[-+]?[0-9]+$/.test(value)) return false;
      const bound = BigInt(values[0] ?? "0");
      return operator === "gt" ? BigInt(value) > bound : BigInt(value) < bound;
    }
  }
}

function formatRequirement({ key, operator, values }: Requirement): string {
  const sorted = [...values].sort();
  switch (operator) {
    case "exists":
      return key;
    case "!":
      return `!${key}`;
    case "in":
    case "notin":
      return `${key} ${operator} (${sorted.join(",")})`;
    case "gt":
      return `${key}>${sorted[0] ?? ""}`;
    case "lt":
      return `${key}<${sorted[0] ?? ""}`;
    default:
      return `${key}${operator}${sorted[0] ?? ""}`;
  }
}

/** Checks key and values as upstream does; throws SelectorError PARSE. */
export function newRequirement(key: string, operator: RequirementOperator, values: readonly string[]): Requirement {
  const errors: string[] = [];
  const keyErrors = isQualifiedName(key);
  if (keyErrors.length > 0) errors.push(formatFieldError(invalid("key", key, keyErrors.join("; "))));
  if ((operator === "in" || operator === "notin") && values.length === 0)
    errors.push(formatFieldError(invalid("values", values, "for 'in', 'notin' operators, values set can't be empty")));
  if ((operator === "=" || operator === "==" || operator === "!=") && values.length !== 1)
    errors.push(formatFieldError(invalid("values", values, "exact-match compatibility requires one single value")));
  if ((operator === "exists" || operator === "!") && values.length !== 0)
    errors.push(formatFieldError(invalid("values", values, "values set must be empty for exists and does not exist")));
  if (operator === "gt" || operator === "lt") {
    if (values.length !== 1)
      errors.push(formatFieldError(invalid("values", values, "for 'Gt', 'Lt' operators, exactly one value is required")));
    for (const [position, value] of values.entries()) {
      if (!/^[-+]?[0-9]+$/.test(value))
        errors.push(formatFieldError(invalid(`values[${position}]`, value, "for 'Gt', 'Lt' operators, the value must be an integer")));
    }
  }
  for (const [position, value] of values.entries()) {
    const valueErrors = isLabelValue(value);
    if (valueErrors.length > 0) errors.push(formatFieldError(invalid(`values[${position}][${key}]`, value, valueErrors.join("; "))));
  }
  if (errors.length > 0) throw new SelectorError("PARSE", errors.length === 1 ? (errors[0] ?? "") : `[${errors.join(", ")}]`);
  return { key, operator, values };
}

const objectOperators: Readonly<Record<string, RequirementOperator>> = { In: "in", NotIn: "notin", Exists: "exists", DoesNotExist: "!" };

/** A LabelSelector object as a matcher: missing matches nothing, empty matches everything. Throws SelectorError. */
export function compileLabelSelector(selector: LabelSelector | undefined | null): Selector {
  if (selector === undefined || selector === null) return Selector.nothing;
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) requirements.push(newRequirement(key, "=", [value]));
  for (const expression of selector.matchExpressions ?? []) {
    const operator = objectOperators[expression.operator];
    if (operator === undefined) throw new SelectorError("OPERATOR", `"${expression.operator}" is not a valid label selector operator`);
    requirements.push(newRequirement(expression.key, operator, expression.values ?? []));
  }
  return requirements.length === 0 ? Selector.everything : Selector.of(requirements);
}

/** A plain map such as Service.spec.selector as a matcher; unchecked, and everything when empty. */
export function compileLabelMap(labels: Labels | undefined): Selector {
  return Selector.of(Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: "=", values: [value] })));
}

/** For table cells: the selector's text or `<none>`. */
export function formatLabelSelector(selector: LabelSelector | undefined): string {
  try {
    return compileLabelSelector(selector).toString() || "<none>";
  } catch {
    // Stored before a rule existed: still to be printed.
    return "<error>";
  }
}

/** For table cells: `a=b,c=d` in order of keys, or `<none>`. */
export function formatLabels(labels: Labels | undefined): string {
  const text = Object.keys(labels ?? {})
    .sort()
    .map((key) => `${key}=${labels?.[key] ?? ""}`)
    .join(",");
  return text || "<none>";
}
