// Containers and sandboxes of the past that the runtime may forget. Upstream: kuberuntime_gc.go.
import type { PodRuntimeState } from "../runtime-state.js";

export interface Garbage {
  readonly containerIDs: string[];
  readonly sandboxIDs: string[];
}

/**
 * Of a pod that is wanted: all dead containers but the newest of each name, which lastState and `logs --previous` are
 * told from, and dead sandboxes without containers but the newest.
 * Of a pod that is gone: everything dead.
 */
export function planGarbage(runtime: PodRuntimeState, wanted: boolean): Garbage {
  const containerIDs: string[] = [];
  const kept = new Map<string, number>();
  const remaining = new Set<string>();
  for (const container of runtime.containers) {
    if (container.state !== "exited") {
      remaining.add(container.sandboxID);
      continue;
    }
    const before = kept.get(container.name) ?? 0;
    if (wanted && before < 1) {
      kept.set(container.name, before + 1);
      remaining.add(container.sandboxID);
      continue;
    }
    containerIDs.push(container.id);
  }
  const sandboxIDs = runtime.sandboxes
    .filter((sandbox, position) => !sandbox.ready && !remaining.has(sandbox.id) && !(wanted && position === 0))
    .map((sandbox) => sandbox.id);
  return { containerIDs, sandboxIDs };
}
