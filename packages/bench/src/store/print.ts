// The table: ours, theirs and the ratio, in every cell.
import type { Figure } from "./figures.js";
import { type Load, median } from "./load.js";

const nameWidth = 44;
const cellWidth = 22;
const figureNameWidth = 66;

export interface Pair {
  readonly ours: Load;
  readonly theirs: Load;
}

export function printHead(about: readonly string[]): void {
  for (const line of about) console.log(line);
  const columns = ["per second", "p50 ms", "p99 ms", "server CPU us each", "bytes written each"];
  console.log(["lenj/etcd=ratio".padEnd(nameWidth), ...columns.map((column) => column.padStart(cellWidth))].join(" "));
}

/** Medians of both, and the median of the ratios of neighbours in time: a change of the machine's speed meets both of a pair. */
export function printPairs(name: string, pairs: readonly Pair[]): void {
  const of = (read: (load: Load) => number): string => {
    const [ours, theirs] = [median(pairs.map((pair) => read(pair.ours))), median(pairs.map((pair) => read(pair.theirs)))];
    const ratio = median(pairs.map((pair) => read(pair.ours) / read(pair.theirs)));
    return cell(ours, theirs, ratio).padStart(cellWidth);
  };
  console.log(
    [
      name.padEnd(nameWidth),
      of((one) => one.perSecond),
      of((one) => one.p50Ms),
      of((one) => one.p99Ms),
      of((one) => one.cpuMicros),
      of((one) => one.writtenBytesEach),
    ].join(" "),
  );
}

/** What 1,000 operations cost the three members together. */
export function printCosts(name: string, pairs: readonly Pair[]): void {
  const ofThousand = (read: (load: Load) => number): [ours: number, theirs: number] => [
    median(pairs.map(({ ours }) => read(ours) * 1_000)),
    median(pairs.map(({ theirs }) => read(theirs) * 1_000)),
  ];
  const [ourSeconds, theirSeconds] = ofThousand(({ cpuMicros }) => cpuMicros / 1e6);
  const [ourBytes, theirBytes] = ofThousand(({ writtenBytesEach }) => writtenBytesEach / 1e6);
  printFigure({ name: `server CPU of 1,000: ${name}`, unit: "s", value: ourSeconds, better: "less" }, theirSeconds);
  printFigure({ name: `written for 1,000: ${name}`, unit: "MB", value: ourBytes, better: "less" }, theirBytes);
}

export function printFigure({ name, unit, value, better }: Figure, theirs: number): void {
  console.log(`${name.padEnd(figureNameWidth)} ${cell(value, theirs, value / theirs).padStart(cellWidth)} ${unit}, ${better} is better`);
}

function cell(ours: number, theirs: number, ratio: number): string {
  return `${short(ours)}/${short(theirs)}=${Number.isFinite(ratio) ? ratio.toFixed(2) : "-"}`;
}

function short(value: number): string {
  if (value === 0) return "0";
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
