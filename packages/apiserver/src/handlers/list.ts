// Lists: from the cache where it can show what is asked for, else page by page from the store.
// Source: k8s.io/apiserver pkg/storage/cacher (delegation rules), pkg/storage/etcd3 GetList.
import { newExpired, newResourceVersionTooLarge, type StatusError } from "@lenj/apimachinery";
import type { CachedObject } from "../core/cached-object.js";
import { encodeContinueToken } from "../core/continue-token.js";
import { type ListOptions, type ListPlan, planList, validateListOptions } from "../core/list-options.js";
import { isStorageError } from "../core/storage.js";
import type { Selection } from "../core/watch-cache.js";
import type { Call } from "./call.js";
import { type Machine, storeOf } from "./machine.js";
import type { ObjectStore } from "./object-store.js";
import { selectionOf } from "./selection.js";

export interface ListResult {
  readonly states: readonly CachedObject[];
  readonly revision: number;
  /** "" on the last page. */
  readonly continue: string;
  readonly remainingItemCount: number | undefined;
}

/** How long a read waits for the caches to catch up. Source: cacher blockTimeout. */
export const freshnessTimeoutMs = 3_000;
/** Keys read from the store at once where a selector may discard many of them. */
const storePageSize = 500;

const continueExpired =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

export async function listObjects(machine: Machine, call: Call, options: ListOptions): Promise<ListResult> {
  validateListOptions(options);
  const store = storeOf(machine, call.endpoint.declaration);
  const selection = selectionOf(call, options, store);
  const plan = planList(options);
  // A cache "as it is" has no need of pages. Source: cacher ignores the limit of resourceVersion=0.
  const limit = options.resourceVersion === "0" && plan.from === "cache" ? 0 : options.limit;
  const isSelective = options.labelSelector !== "" || options.fieldSelector !== "";
  const page = { selection, limit, isSelective };
  if (plan.from === "store" || !store.cache.isReady) return listFromStore(store, page, storeStart(plan), call.signal);
  if (!(await isFreshEnough(machine, plan, call.signal))) {
    if (plan.freshness === "atLeast") throw tooLargeResourceVersion(machine, plan.revision);
    // The caches are late: the store answers by itself.
    return listFromStore(store, page, storeStart(plan), call.signal);
  }
  return listFromCache(store, page, "token" in plan ? plan.token.startKey : undefined);
}

export function tooLargeResourceVersion(machine: Machine, revision: number): StatusError {
  return newResourceVersionTooLarge(revision, machine.freshness.revision);
}

interface Page {
  readonly selection: Selection;
  readonly limit: number;
  readonly isSelective: boolean;
}

function storeStart(plan: ListPlan): { revision: number | undefined; startKey: string | undefined } {
  if (plan.from === "store") return { revision: plan.revision, startKey: plan.token?.startKey };
  return { revision: undefined, startKey: "token" in plan ? plan.token.startKey : undefined };
}

async function isFreshEnough(machine: Machine, plan: Extract<ListPlan, { from: "cache" }>, signal: AbortSignal): Promise<boolean> {
  const revision = plan.freshness === "atLeast" ? plan.revision : await machine.storage.currentRevision({ signal });
  return machine.freshness.waitFor(revision, { timeoutMs: freshnessTimeoutMs, signal });
}

function listFromCache(store: ObjectStore, page: Page, startKey: string | undefined): ListResult {
  const { revision } = store.cache;
  const found = store.cache.list(page.selection, startKey);
  if (page.limit <= 0 || found.length <= page.limit) return { states: found, revision, continue: "", remainingItemCount: undefined };
  const states = found.slice(0, page.limit);
  return {
    states,
    revision,
    continue: encodeContinueToken(revision, (states.at(-1) as CachedObject).key),
    remainingItemCount: page.isSelective ? undefined : found.length - states.length,
  };
}

async function listFromStore(
  store: ObjectStore,
  page: Page,
  start: { revision: number | undefined; startKey: string | undefined },
  signal: AbortSignal,
): Promise<ListResult> {
  const { keyPrefix, matches, exactKey } = page.selection;
  const states: CachedObject[] = [];
  let { revision, startKey } = start;
  for (;;) {
    const chunk = await readChunk(
      store,
      {
        keyPrefix,
        startKey,
        limit: page.limit > 0 ? Math.max(page.limit - states.length, page.isSelective ? storePageSize : 1) : storePageSize,
        revision,
      },
      signal,
    );
    revision = chunk.revision;
    for (const [position, state] of chunk.states.entries()) {
      startKey = `${state.key}\u0000`;
      if ((exactKey !== undefined && state.key !== exactKey) || (matches !== undefined && !matches(state.object))) continue;
      states.push(state);
      const isEnd = position === chunk.states.length - 1 && !chunk.more;
      if (page.limit > 0 && states.length >= page.limit && !isEnd) {
        const remaining = chunk.count - position - 1;
        return {
          states,
          revision,
          continue: encodeContinueToken(revision, state.key),
          remainingItemCount: page.isSelective ? undefined : remaining,
        };
      }
    }
    if (!chunk.more) return { states, revision, continue: "", remainingItemCount: undefined };
  }
}

async function readChunk(
  store: ObjectStore,
  range: Parameters<ObjectStore["listAt"]>[0],
  signal: AbortSignal,
): ReturnType<ObjectStore["listAt"]> {
  try {
    return await store.listAt(range, signal);
  } catch (error) {
    if (isStorageError(error, "COMPACTED")) {
      if (range.startKey === undefined) throw newExpired("The resourceVersion for the provided list is too old.");
      throw newExpired(continueExpired, encodeContinueToken(-1, range.startKey.replace(/\u0000$/, "")));
    }
    if (isStorageError(error, "FUTURE_REVISION")) throw newResourceVersionTooLarge(range.revision ?? 0, store.cache.revision);
    throw error;
  }
}
