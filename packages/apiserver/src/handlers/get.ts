import { newNotFound } from "@lenj/apimachinery";
import type { CachedObject } from "../core/cached-object.js";
import { requireRevision } from "../core/list-options.js";
import { type Call, groupResourceOf } from "./call.js";
import { freshnessTimeoutMs, tooLargeResourceVersion } from "./list.js";
import { type Machine, storeOf } from "./machine.js";

/**
 * The object named by the call. Without resourceVersion as the store has it now; with "0" as the cache has it;
 * with N from the cache once it has N. Throws NotFound.
 */
export async function getObject(machine: Machine, call: Call, resourceVersion = ""): Promise<CachedObject> {
  const store = storeOf(machine, call.endpoint.declaration);
  const key = store.keyOf(call.namespace, call.name);
  let found: CachedObject | undefined;
  if (resourceVersion === "" || !store.cache.isReady) {
    found = await store.get(key, call.signal);
  } else {
    const revision = requireRevision(resourceVersion);
    if (!(await machine.freshness.waitFor(revision, { timeoutMs: freshnessTimeoutMs, signal: call.signal })))
      throw tooLargeResourceVersion(machine, revision);
    found = store.cache.get(key);
  }
  if (found === undefined) throw newNotFound(groupResourceOf(call), call.name);
  return found;
}
