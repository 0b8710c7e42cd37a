// Exact decimal quantities such as `500m`, `2`, `128Mi`, `1e3`.
//
// Owns:  parsing, canonical form, comparison, sums.
// Not:   which field of which kind is a quantity (the schema says).
// Q1. A quantity is unscaled × 10^scale with scale ≥ -9; anything finer is rounded away from zero to nano.
// Q2. format(parse(text)) is stable: formatting a canonical text gives the same text.
// Q3. Values are never changed; every operation gives a new Quantity.
// Source: k8s.io/apimachinery pkg/api/resource.

export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";
export type QuantityErrorCode = "FORMAT" | "NUMERIC" | "SUFFIX";

export class QuantityError extends Error {
  override readonly name = "QuantityError";
  constructor(readonly code: QuantityErrorCode) {
    super(texts[code]);
  }
}

const texts: Readonly<Record<QuantityErrorCode, string>> = {
  FORMAT: "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  NUMERIC: "unable to parse numeric part of quantity",
  SUFFIX: "unable to parse quantity's suffix",
};

const decimalSuffixes: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const binarySuffixes: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };
const decimalNames = new Map(Object.entries(decimalSuffixes).map(([name, exponent]) => [exponent, name]));
const binaryNames = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

const finest = -9;
const int64Max = (1n << 63n) - 1n;
const shape = /^([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/;

export class Quantity {
  private constructor(
    readonly unscaled: bigint,
    readonly scale: number,
    readonly format: QuantityFormat,
    /** The text it was parsed from, when upstream would print that again as it stands. */
    readonly text?: string,
  ) {}

  static readonly zero = new Quantity(0n, 0, "DecimalSI");

  /** Throws QuantityError. JSON numbers are accepted as their text. */
  static parse(input: string | number): Quantity {
    const text = typeof input === "number" ? String(input) : input.trim();
    if (text === "") throw new QuantityError("FORMAT");
    const match = shape.exec(text);
    if (match === null) throw new QuantityError("FORMAT");
    const [, sign = "", whole = "", fraction = "", suffix = ""] = match;
    const unit = interpretSuffix(suffix);
    if (unit === undefined) throw new QuantityError("SUFFIX");
    if (whole === "" && fraction === "") throw new QuantityError("NUMERIC");
    const digits = whole.replace(/^0+/, "") || "0";
    const kept = isPrintedAsWritten(digits, fraction, unit) ? text : undefined;
    let unscaled = BigInt(digits + fraction);
    let scale = -fraction.length;
    if (unit.format === "BinarySI") unscaled <<= BigInt(unit.exponent);
    else scale += unit.exponent;
    if (unscaled === 0n) return new Quantity(0n, 0, unit.format);
    ({ unscaled, scale } = roundUpTo(unscaled, scale, finest));
    let format = unit.format;
    if (format === "BinarySI") {
      if (unscaled * pow10(Math.max(scale, 0)) > int64Max * pow10(Math.max(-scale, 0)))
        ({ unscaled, scale } = { unscaled: int64Max, scale: 0 });
      // Less than one byte cannot be said in binary units.
      if (scale < 0 && unscaled < pow10(-scale)) format = "DecimalSI";
    }
    return new Quantity(sign === "-" ? -unscaled : unscaled, scale, format, kept);
  }

  /** A whole number in the given notation. */
  static of(value: number | bigint, format: QuantityFormat = "DecimalSI"): Quantity {
    return new Quantity(BigInt(value), 0, format);
  }

  /** `millis` thousandths. */
  static ofMilli(millis: number | bigint, format: QuantityFormat = "DecimalSI"): Quantity {
    return new Quantity(BigInt(millis), -3, format);
  }

  isZero(): boolean {
    return this.unscaled === 0n;
  }

  /** -1, 0 or 1. */
  sign(): number {
    return this.unscaled === 0n ? 0 : this.unscaled < 0n ? -1 : 1;
  }

  compare(other: Quantity): number {
    const scale = Math.min(this.scale, other.scale);
    const left = this.unscaled * pow10(this.scale - scale);
    const right = other.unscaled * pow10(other.scale - scale);
    return left < right ? -1 : left > right ? 1 : 0;
  }

  equals(other: Quantity): boolean {
    return this.compare(other) === 0;
  }

  /** The sum, in this quantity's notation, or the other's when this is zero. */
  add(other: Quantity): Quantity {
    const scale = Math.min(this.scale, other.scale);
    const sum = this.unscaled * pow10(this.scale - scale) + other.unscaled * pow10(other.scale - scale);
    return new Quantity(sum, scale, this.isZero() ? other.format : this.format);
  }

  subtract(other: Quantity): Quantity {
    return this.add(other.negate());
  }

  negate(): Quantity {
    return new Quantity(-this.unscaled, this.scale, this.format);
  }

  multiply(factor: number | bigint): Quantity {
    return new Quantity(this.unscaled * BigInt(factor), this.scale, this.format);
  }

  /** Rounded away from zero to a multiple of 10^scale. */
  roundUp(scale: number): Quantity {
    if (this.scale >= scale) return this;
    const rounded = roundUpTo(this.unscaled, this.scale, scale);
    return new Quantity(rounded.unscaled, rounded.scale, this.format);
  }

  /** Multiples of 10^scale, rounded away from zero; may exceed what a number holds exactly. */
  scaledValue(scale: number): number {
    if (this.scale >= scale) return Number(this.unscaled * pow10(this.scale - scale));
    return Number(roundUpTo(this.unscaled, this.scale, scale).unscaled);
  }

  /** Whole units, rounded away from zero. */
  value(): number {
    return this.scaledValue(0);
  }

  /** Thousandths, rounded away from zero. */
  milliValue(): number {
    return this.scaledValue(-3);
  }

  toNumber(): number {
    return Number(this.unscaled) * 10 ** this.scale;
  }

  /** Canonical text: no fraction, the largest suffix that keeps it exact. */
  toString(): string {
    if (this.text !== undefined) return this.text;
    if (this.unscaled === 0n) return "0";
    if (this.format === "BinarySI") {
      const whole = this.wholeBytes();
      if (whole !== undefined) return formatBinary(whole);
    }
    return formatDecimal(this.unscaled, this.scale, this.format);
  }

  toJSON(): string {
    return this.toString();
  }

  /** The value when binary units can express it: an integer of at least 1024. */
  private wholeBytes(): bigint | undefined {
    let value = this.unscaled;
    if (this.scale >= 0) value *= pow10(this.scale);
    else {
      const divisor = pow10(-this.scale);
      if (value % divisor !== 0n) return undefined;
      value /= divisor;
    }
    return value > -1024n && value < 1024n ? undefined : value;
  }
}

/** The canonical text of a quantity's text. Throws QuantityError. */
export function canonicalQuantity(input: string | number): string {
  if (typeof input === "string" && isPlainCanonical(input)) return input;
  return Quantity.parse(input).toString();
}

/** Small integers, and small multiples of m: most quantities of most objects, answered without arithmetic. */
function isPlainCanonical(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,2}m?)$/.test(text);
}

interface Unit {
  readonly exponent: number;
  readonly format: QuantityFormat;
}

function interpretSuffix(suffix: string): Unit | undefined {
  const decimal = decimalSuffixes[suffix];
  if (decimal !== undefined) return { exponent: decimal, format: "DecimalSI" };
  const binary = binarySuffixes[suffix];
  if (binary !== undefined) return { exponent: binary, format: "BinarySI" };
  const exponent = /^[eE]([-+]?[0-9]{1,9})$/.exec(suffix);
  return exponent === null ? undefined : { exponent: Number(exponent[1]), format: "DecimalExponent" };
}

/** Upstream keeps the written text when it can tell cheaply that it is (nearly) canonical; clients see `1.500` again as `1.500`. */
function isPrintedAsWritten(digits: string, fraction: string, unit: Unit): boolean {
  if (unit.format === "BinarySI") {
    const precision = 15 - digits.length - Math.trunc((unit.exponent * 3) / 10) - 1;
    return fraction === "" && precision >= 0 && (Number(digits.slice(-4)) & 7) !== 0;
  }
  const scale = unit.exponent - fraction.length;
  const shifted = digits + fraction;
  return shifted.length <= 18 && scale >= finest && scale % 3 === 0 && !shifted.endsWith("000") && !shifted.startsWith("0");
}

const powers: bigint[] = [];

function pow10(exponent: number): bigint {
  return (powers[exponent] ??= 10n ** BigInt(exponent));
}

function roundUpTo(unscaled: bigint, scale: number, target: number): { unscaled: bigint; scale: number } {
  if (scale >= target) return { unscaled, scale };
  const divisor = pow10(target - scale);
  const quotient = unscaled / divisor;
  if (quotient * divisor === unscaled) return { unscaled: quotient, scale: target };
  return { unscaled: unscaled < 0n ? quotient - 1n : quotient + 1n, scale: target };
}

function formatDecimal(unscaled: bigint, scale: number, format: QuantityFormat): string {
  let number = unscaled;
  let exponent = scale;
  while (number % 10n === 0n) {
    number /= 10n;
    exponent += 1;
  }
  while (exponent % 3 !== 0 || (format !== "DecimalExponent" && exponent > 18)) {
    number *= 10n;
    exponent -= 1;
  }
  if (format === "DecimalExponent") return exponent === 0 ? String(number) : `${number}e${exponent}`;
  return `${number}${decimalNames.get(exponent) ?? ""}`;
}

function formatBinary(value: bigint): string {
  let number = value;
  let thousands = 0;
  while (thousands < binaryNames.length - 1 && number % 1024n === 0n) {
    number /= 1024n;
    thousands += 1;
  }
  return `${number}${binaryNames[thousands] ?? ""}`;
}
