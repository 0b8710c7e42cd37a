// Guards in the machine's own network: addresses of pods and services are unreachable there, so that no packet
// for them ever leaves by one of its interfaces. They carry a protocol number of their own and stay while any lab runs.
import { readdirSync, readFileSync } from "node:fs";
import { fabric } from "../core/topology.js";
import { tryRun } from "./run.js";

const ranges = [fabric.podCIDR, fabric.serviceCIDR, "10.200.0.0/16"];
/** Marks routes as ours (rtnetlink protocol numbers above 127 are free for use). */
const protocol = "187";
/** Behind every real route of the machine to the same addresses. */
const metric = "4278198272";

export async function addGuardRoutes(): Promise<void> {
  for (const range of ranges) await tryRun("ip", ["route", "add", "unreachable", range, "metric", metric, "proto", protocol]);
}

/** Removes the guards unless another lab still runs on this machine. */
export async function removeGuardRoutes(): Promise<void> {
  if (anotherLabRuns()) return;
  await tryRun("ip", ["route", "flush", "proto", protocol, "type", "unreachable"]);
}

function anotherLabRuns(): boolean {
  return readdirSync("/proc").some((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      return readFileSync(`/proc/${entry}/cmdline`, "utf8").includes("lenj-world-");
    } catch {
      return false;
    }
  });
}
