// Resource quantities as the numbers that cgroups and the scheduler count in.
// Doubles suffice here: capacities and limits of one node stay far below 2^53.

const decimal: Readonly<Record<string, number>> = { n: 1e-9, u: 1e-6, m: 1e-3, "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 };
const binary: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 };

/** The value of a quantity ("100m", "64Mi", "1e3"), or undefined when it is none. */
export function parseAmount(quantity: string | number): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([a-zA-Z]*))$/.exec(String(quantity));
  if (match === null) return undefined;
  const base = Number(match[1]);
  if (match[2] !== undefined) return Number(`${match[1]}${match[2]}`);
  const suffix = match[3] ?? "";
  const factor = decimal[suffix] ?? binary[suffix];
  return factor === undefined ? undefined : base * factor;
}

/** Whole units, rounded up as upstream's Value() does; 0 for a missing quantity. */
export function wholeUnits(quantity: string | number | undefined): number {
  return roundUp(quantity === undefined ? 0 : (parseAmount(quantity) ?? 0));
}

/** Thousandths, rounded up as upstream's MilliValue() does; 0 for a missing quantity. */
export function milliUnits(quantity: string | number | undefined): number {
  return roundUp((quantity === undefined ? 0 : (parseAmount(quantity) ?? 0)) * 1000);
}

/** CPU in canonical form: "1500m", "2". */
export function formatMilliCPU(milli: number): string {
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}

/** Memory in canonical form of whole Ki: "24683520Ki". */
export function formatKi(bytes: number): string {
  return `${Math.floor(bytes / 1024)}Ki`;
}

// 0.1 * 1000 is 100.00000000000001: an excess that small is arithmetic, not amount.
function roundUp(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value - rounded) < 1e-6 * Math.max(1, Math.abs(value)) ? rounded : Math.ceil(value);
}
