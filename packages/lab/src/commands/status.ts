// `lenj status`: what runs, who leads, which nodes are Ready.
import type { LabStatus, ProcessStatus } from "../core/control.js";
import { ControlClient } from "../drivers/control-client.js";
import { readLab } from "../drivers/lab-state.js";

export async function status(options: { state: string; output: string }): Promise<void> {
  const found = await new ControlClient(readLab(options.state)).status();
  process.stdout.write(options.output === "json" ? `${JSON.stringify(found, null, 2)}\n` : formatStatus(found));
}

const storeHeader = ["STORE", "ROLE", "TERM", "COMMIT", "APPLIED", "LAG", "INFLIGHT", "DB SIZE", "FSYNC P99", "ALARMS"];

function storeCells(store: NonNullable<ProcessStatus["store"]>): string[] {
  const { role, hasLeader, term, commit, applied, lag, inflight, dbSizeBytes, fsyncP99Ms, alarms } = store;
  return [
    hasLeader ? role : `${role} (no leader)`,
    ...[term, commit, applied, lag, inflight].map(String),
    `${(dbSizeBytes / 1_000_000).toFixed(1)} MB`,
    fsyncP99Ms === null ? "-" : `${fsyncP99Ms} ms`,
    alarms.length === 0 ? "-" : alarms.join(","),
  ];
}

/** The status as aligned columns. */
export function formatStatus(found: LabStatus): string {
  const processes = found.processes.map(({ name, state, pid, restarts, role }) => [
    name,
    state,
    pid === null ? "-" : String(pid),
    String(restarts),
    role ?? "",
  ]);
  const stores = found.processes.flatMap(({ name, store }) => (store === undefined ? [] : [[name, ...storeCells(store)]]));
  const nodes = found.nodes.map(({ name, power, ready, address }) => [name, power, ready ? "Ready" : "NotReady", address]);
  const cuts = found.cuts.map(([a, b]) => [a, b]);
  return [
    formatTable(["PROCESS", "STATE", "PID", "RESTARTS", "ROLE"], processes),
    ...(stores.length === 0 ? [] : [formatTable(storeHeader, stores)]),
    formatTable(["NODE", "POWER", "STATUS", "ADDRESS"], nodes),
    ...(cuts.length === 0 ? [] : [formatTable(["PARTITIONED", "FROM"], cuts)]),
  ].join("\n");
}

function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)));
  return [header, ...rows]
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("   ")
          .trimEnd()}\n`,
    )
    .join("");
}
