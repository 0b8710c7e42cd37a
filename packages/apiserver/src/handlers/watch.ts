// Watches: one stream of events from the cache, with bookmarks and an end.
// Source: k8s.io/apiserver pkg/storage/cacher, pkg/endpoints/handlers/get.go, KEP-3157.
import type { Timer } from "@lenj/base";
import { type ListOptions, requireRevision, validateListOptions } from "../core/list-options.js";
import { WatcherEnded, type WatchItem } from "../core/watch-cache.js";
import type { Call } from "./call.js";
import { freshnessTimeoutMs, tooLargeResourceVersion } from "./list.js";
import { type Machine, storeOf } from "./machine.js";
import { selectionOf } from "./selection.js";

/** Watches without a timeout of their own end after this and up to twice this, so that they spread over api-servers. Source: --min-request-timeout. */
export const minRequestTimeoutMs = 1_800_000;
const bookmarkIntervalMs = 60_000;
/** A bookmark is due this long before the end, so that the client resumes from there. */
const bookmarkBeforeEndMs = 2_000;

/**
 * The events of a watch. Bad options throw at once; what goes wrong later is thrown out of the iterator as StatusError
 * (to be sent as an ERROR event). Ends by timeout, when `call.signal` is aborted, or when the cache lost its history.
 */
export function watchObjects(machine: Machine, call: Call, options: ListOptions): AsyncIterable<WatchItem> {
  validateListOptions(options);
  const store = storeOf(machine, call.endpoint.declaration);
  const selection = selectionOf(call, options, store);
  const isInitialWanted = options.sendInitialEvents ?? (options.resourceVersion === "" || options.resourceVersion === "0");
  const after = options.resourceVersion === "" ? undefined : requireRevision(options.resourceVersion);
  return stream(machine, call, {
    options,
    isInitialWanted,
    after,
    open: (from) =>
      store.cache.watch(selection, from, { markInitialEventsEnd: options.sendInitialEvents === true && options.allowWatchBookmarks }),
  });
}

interface WatchPlan {
  readonly options: ListOptions;
  readonly isInitialWanted: boolean;
  readonly after: number | undefined;
  readonly open: (from: number | "initial") => ReturnType<ReturnType<typeof storeOf>["cache"]["watch"]>;
}

async function* stream(machine: Machine, call: Call, plan: WatchPlan): AsyncIterable<WatchItem> {
  const { clock, random } = machine;
  const timeoutMs =
    plan.options.timeoutSeconds !== undefined && plan.options.timeoutSeconds > 0
      ? plan.options.timeoutSeconds * 1_000
      : minRequestTimeoutMs + random.below(minRequestTimeoutMs);
  const from = await startOf(machine, call, plan, timeoutMs);
  if (from === undefined) return;
  const watcher = plan.open(from);
  const timers: Timer[] = [];
  const onAbort = (): void => watcher.close();
  call.signal.addEventListener("abort", onAbort, { once: true });
  timers.push(clock.after(timeoutMs, () => watcher.close()));
  if (plan.options.allowWatchBookmarks) {
    if (timeoutMs > bookmarkBeforeEndMs) timers.push(clock.after(timeoutMs - bookmarkBeforeEndMs, () => watcher.offerBookmark()));
    const bookmarkLater = (): void => {
      // Spread, so that many watches started together do not wake together for ever.
      timers[2] = clock.after(bookmarkIntervalMs * (0.9 + random.next() * 0.2), () => {
        watcher.offerBookmark();
        bookmarkLater();
      });
    };
    timers[1] ??= { cancel: () => {} };
    bookmarkLater();
  }
  try {
    yield* watcher.initial;
    yield* watcher.queue;
  } catch (error) {
    // The client resumes from what it has seen.
    if (!(error instanceof WatcherEnded)) throw error;
  } finally {
    for (const timer of timers) timer.cancel();
    call.signal.removeEventListener("abort", onAbort);
    watcher.close();
  }
}

/** Where the watch starts once the caches are far enough; undefined when its time was over before that. */
async function startOf(machine: Machine, call: Call, plan: WatchPlan, timeoutMs: number): Promise<number | "initial" | undefined> {
  const { freshness, storage } = machine;
  const wait = async (revision: number): Promise<boolean> =>
    freshness.waitFor(revision, { timeoutMs: freshnessTimeoutMs, signal: call.signal });
  if (plan.isInitialWanted) {
    // Without a resourceVersion a streamed list is as fresh as a list is; a plain watch takes the cache as it is.
    const revision = plan.after ?? (plan.options.sendInitialEvents === true ? await storage.currentRevision({ signal: call.signal }) : 0);
    if (!(await wait(revision))) throw tooLargeResourceVersion(machine, revision);
    return "initial";
  }
  if (plan.after === undefined || plan.after === 0) {
    const revision = await storage.currentRevision({ signal: call.signal });
    if (!(await wait(revision))) throw tooLargeResourceVersion(machine, revision);
    return revision;
  }
  // Events of the future are waited for as long as the watch lasts.
  const isReached = await freshness.waitFor(plan.after, { timeoutMs, signal: call.signal });
  return isReached ? plan.after : undefined;
}
