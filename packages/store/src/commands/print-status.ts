// Forms in which etcdctl shows a snapshot's status.
import type { SnapshotStatus } from "../backup/snapshot-file.js";

export const outputForms = ["simple", "table", "json", "fields"] as const;
export type OutputForm = (typeof outputForms)[number];

export function formatStatus(status: SnapshotStatus, form: OutputForm): string {
  const row = [status.hash.toString(16), String(status.revision), String(status.totalKey), formatBytes(status.totalSize)];
  switch (form) {
    case "simple":
      return row.join(", ");
    case "json":
      return JSON.stringify(status);
    case "fields":
      return `"Hash" : ${status.hash}\n"Revision" : ${status.revision}\n"Keys" : ${status.totalKey}\n"Size" : ${status.totalSize}`;
    case "table":
      return formatTable(["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE"], [row]);
  }
}

/** Titles centred, and where that does not come out even further to the left, as in etcdctl; values to the right. */
export function formatTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const centred = titles.map((title, column) => {
    const width = widths[column] ?? 0;
    return title.padStart(title.length + Math.floor((width - title.length) / 2)).padEnd(width);
  });
  const cells = rows.map((row) => `| ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join(" | ")} |`);
  return [line, `| ${centred.join(" | ")} |`, line, ...cells, line].join("\n");
}

/** Powers of 1,000, two digits below ten. */
export function formatBytes(bytes: number): string {
  if (bytes < 10) return `${bytes} B`;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log(bytes) / Math.log(1_000)));
  const value = Math.floor((bytes / 1_000 ** power) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${units[power]}`;
}
