// RFC 3339 text and epoch milliseconds, without Date: cores may not touch the ambient clock type.

const dayMs = 86_400_000;

/** "2026-01-02T03:04:05Z", the form of metav1.Time; sub-seconds are dropped as upstream does. */
export function formatTime(wallMs: number): string {
  const { date, timeOfDayMs } = split(wallMs);
  const seconds = Math.floor(timeOfDayMs / 1000);
  return `${date}T${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}Z`;
}

/** "2026-01-02T03:04:05.000006Z", the form of metav1.MicroTime. */
export function formatMicroTime(wallMs: number): string {
  const micros = Math.floor((wallMs - Math.floor(wallMs / 1000) * 1000) * 1000);
  return `${formatTime(wallMs).slice(0, -1)}.${String(micros).padStart(6, "0")}Z`;
}

/** Epoch milliseconds of an RFC 3339 text with any fraction and offset, or undefined when it is none. */
export function parseTime(text: string): number | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const fractionMs = match[7] === undefined ? 0 : Number(`0.${match[7]}`) * 1000;
  const offsetMinutes = match[8] === undefined ? 0 : (match[8] === "-" ? -1 : 1) * (Number(match[9]) * 60 + Number(match[10]));
  return daysFromCivil(year, month, day) * dayMs + ((hour * 60 + minute - offsetMinutes) * 60 + second) * 1000 + fractionMs;
}

function split(wallMs: number): { date: string; timeOfDayMs: number } {
  const days = Math.floor(wallMs / dayMs);
  // Civil-from-days over 400-year eras, with March as the first month so that leap days come last.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return { date: `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`, timeOfDayMs: wallMs - days * dayMs };
}

function daysFromCivil(year: number, month: number, day: number): number {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
