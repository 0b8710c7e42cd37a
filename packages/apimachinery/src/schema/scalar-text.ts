// Reading and writing the scalar texts of the API: times, durations, base64. Results are the texts the Go implementation prints.
import { SchemaError } from "./errors.js";

const secondsLayout = "2006-01-02T15:04:05Z07:00";
const microLayout = "2006-01-02T15:04:05.000000Z07:00";
const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** Any RFC 3339 time -> "2024-05-06T07:08:09Z". */
export function canonicalTime(text: string): string {
  const { seconds } = parseTime(text);
  return formatSeconds(seconds);
}

/** A time with exactly six decimals -> the same in UTC. */
export function canonicalMicroTime(text: string): string {
  const { seconds, micros } = parseMicroTime(text);
  return formatMicros(seconds, micros);
}

/** Unix seconds and the microseconds beyond them. */
export function parseTime(text: string): { seconds: number; micros: number } {
  return parseLayout(text, secondsLayout);
}

export function parseMicroTime(text: string): { seconds: number; micros: number } {
  const fraction = rfc3339.exec(text)?.[7];
  if (fraction?.length !== 7) {
    const rest = text.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/, "");
    throw timeError(text, microLayout, rest === text ? "2006" : ".000000", rest);
  }
  return parseLayout(text, microLayout);
}

function parseLayout(text: string, layout: string): { seconds: number; micros: number } {
  const match = rfc3339.exec(text);
  if (match === null) throw timeError(text, layout, ...firstMismatch(text));
  const [, year, month, day, hour, minute, second, fraction = "", zone = "Z"] = match as unknown as string[];
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  if (Number(month) < 1 || Number(month) > 12) throw rangeError(text, "month");
  if (Number(hour) > 23) throw rangeError(text, "hour");
  if (Number(minute) > 59) throw rangeError(text, "minute");
  if (Number(second) > 59) throw rangeError(text, "second");
  if (date.getUTCDate() !== Number(day)) throw rangeError(text, "day");
  const seconds = date.getTime() / 1000 - zoneOffsetSeconds(zone);
  return { seconds, micros: fraction === "" ? 0 : Number(fraction.slice(1, 7).padEnd(6, "0")) };
}

/** Which piece of the layout fails first, and the text found there. */
function firstMismatch(text: string): [expected: string, found: string] {
  const pieces: [RegExp, string][] = [
    [/^\d{4}/, "2006"],
    [/^-/, "-"],
    [/^\d\d/, "01"],
    [/^-/, "-"],
    [/^\d\d/, "02"],
    [/^T/, "T"],
    [/^\d\d/, "15"],
    [/^:/, ":"],
    [/^\d\d/, "04"],
    [/^:/, ":"],
    [/^\d\d(\.\d+)?/, "05"],
    [/^(Z|[+-]\d\d:\d\d)/, "Z07:00"],
  ];
  let rest = text;
  for (const [pattern, name] of pieces) {
    const match = pattern.exec(rest);
    if (match === null) return [name, rest];
    rest = rest.slice(match[0].length);
  }
  return ["", rest];
}

function timeError(text: string, layout: string, expected: string, found: string): SchemaError {
  const detail =
    expected === "" ? `extra text: ${JSON.stringify(found)}` : `cannot parse ${JSON.stringify(found)} as ${JSON.stringify(expected)}`;
  return new SchemaError("TYPE_MISMATCH", `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: ${detail}`);
}

function rangeError(text: string, what: string): SchemaError {
  return new SchemaError("TYPE_MISMATCH", `parsing time ${JSON.stringify(text)}: ${what} out of range`);
}

function zoneOffsetSeconds(zone: string): number {
  if (zone === "Z") return 0;
  const sign = zone.startsWith("-") ? -1 : 1;
  return sign * (Number(zone.slice(1, 3)) * 3600 + Number(zone.slice(4, 6)) * 60);
}

export function formatSeconds(unixSeconds: number): string {
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, -5)}Z`;
}

export function formatMicros(unixSeconds: number, micros: number): string {
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, -5)}.${String(micros).padStart(6, "0")}Z`;
}

const durationUnitsNs: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Go duration text ("1m30s", "1.5h") -> nanoseconds. */
export function parseDurationNs(text: string): bigint {
  const invalid = (why = "invalid duration"): SchemaError => new SchemaError("TYPE_MISMATCH", `time: ${why} ${JSON.stringify(text)}`);
  const negative = text.startsWith("-");
  let rest = /^[+-]/.test(text) ? text.slice(1) : text;
  if (rest === "0") return 0n;
  if (rest === "") throw invalid();
  let total = 0n;
  while (rest !== "") {
    const match = /^(\d*)(?:\.(\d*))?([^\d.]*)/.exec(rest);
    const [all = "", whole = "", fraction = "", unit = ""] = match ?? [];
    if (whole === "" && fraction === "") throw invalid();
    if (unit === "") throw invalid("missing unit in duration");
    const size = durationUnitsNs[unit];
    if (size === undefined) throw invalid(`unknown unit ${JSON.stringify(unit)} in duration`);
    total += BigInt(whole || "0") * size;
    if (fraction !== "") total += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
    rest = rest.slice(all.length);
  }
  if (total >= 1n << 63n) throw invalid();
  return negative ? -total : total;
}

/** Nanoseconds -> the shortest Go duration text: 90s -> "1m30s", 0 -> "0s". */
export function formatDurationNs(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return "0s";
  const sign = nanoseconds < 0n ? "-" : "";
  const value = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  if (value < 1_000n) return `${sign}${value}ns`;
  if (value < 1_000_000n) return `${sign}${decimal(value, 3)}µs`;
  if (value < 1_000_000_000n) return `${sign}${decimal(value, 6)}ms`;
  const hours = value / 3_600_000_000_000n;
  const minutes = (value / 60_000_000_000n) % 60n;
  const seconds = decimal(value % 60_000_000_000n, 9);
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0n ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}

function decimal(value: bigint, digits: number): string {
  const text = String(value).padStart(digits + 1, "0");
  const fraction = text.slice(-digits).replace(/0+$/, "");
  return fraction === "" ? text.slice(0, -digits) : `${text.slice(0, -digits)}.${fraction}`;
}

const base64Clean = /^[A-Za-z0-9+/]*={0,2}$/;

/** Standard base64 with padding; line breaks are dropped. Anything else names the offending byte. */
export function canonicalBase64(text: string): string {
  const clean = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, "") : text;
  if (clean.length % 4 === 0 && base64Clean.test(clean)) return clean;
  throw new SchemaError("TYPE_MISMATCH", `illegal base64 data at input byte ${illegalBase64At(clean)}`);
}

function illegalBase64At(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const isPadding = text[i] === "=";
    if (isPadding) {
      const position = i % 4;
      if (position < 2) return i;
      const expected = position === 2 ? 2 : 1;
      if (text.length - i < expected) return text.length;
      if (position === 2 && text[i + 1] !== "=") return i + 1;
      return i + expected;
    }
    if (!/[A-Za-z0-9+/]/.test(text[i] as string)) return i;
  }
  // Cut short: the quantum that was begun is the one that fails.
  return text.length - (text.length % 4);
}
