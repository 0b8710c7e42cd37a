/** "25%" of `total`, or the number itself. Undefined counts as `fallback`. */
export function resolveIntOrPercent(
  value: number | string | undefined,
  options: { total: number; roundUp: boolean; fallback: number | string },
): number {
  const given = value ?? options.fallback;
  if (typeof given === "number") return given;
  const match = /^(\d+)%$/.exec(given);
  if (match === null) return Number.parseInt(given, 10) || 0;
  // Integer arithmetic: 0.07 * 100 is not 7 in floating point.
  const hundredths = Number(match[1]) * options.total;
  return options.roundUp ? Math.ceil(hundredths / 100) : Math.floor(hundredths / 100);
}
