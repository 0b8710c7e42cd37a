// What this machine and this process's rights allow, read once at start.
import { readFileSync } from "node:fs";
import { RuntimeError } from "../core/errors.js";
import type { Architecture } from "../core/launch/syscall-table.js";
import type { NodeRights } from "../core/process-plan.js";

/** Throws RuntimeError FAILED_PRECONDITION on a CPU without a launcher. */
export function observeNodeRights(): NodeRights {
  const uidMap = readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/).map(Number);
  const status = readFileSync("/proc/self/status", "utf8");
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  const isInitialUserNamespace = uidMap.length === 3 && uidMap[0] === 0 && uidMap[1] === 0 && (uidMap[2] ?? 0) >= 0xfffffffe;
  return {
    architecture: currentArchitecture(),
    capabilities: BigInt(`0x${effective}`),
    capabilityLast: Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8").trim()),
    manyIDs: uidMap.length > 3 || (uidMap[2] ?? 0) > 1,
    makesDevices: isInitialUserNamespace,
  };
}

function currentArchitecture(): Architecture {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new RuntimeError("FAILED_PRECONDITION", `Cannot run containers on this CPU: ${process.arch}, must be x64 or arm64`);
}
