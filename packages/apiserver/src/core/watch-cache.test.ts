import { isStatusError, type KubernetesObject } from "@lenj/apimachinery";
import { ManualClock } from "@lenj/base/testing";
import { CachedObject } from "./cached-object.js";
import { type Selection, WatchCache, type Watcher, WatcherEnded, type WatchItem } from "./watch-cache.js";

const everything: Selection = { keyPrefix: "", exactKey: undefined, matches: undefined };

function pod(name: string, revision: number, labels: Record<string, string> = {}): KubernetesObject {
  return { metadata: { name, namespace: "default", labels, resourceVersion: String(revision) } };
}

function cacheAt(
  revision: number,
  names: string[] = [],
  options: Partial<ConstructorParameters<typeof WatchCache>[0]> = {},
): { cache: WatchCache; clock: ManualClock } {
  const clock = new ManualClock();
  const cache = new WatchCache({ clock, ...options });
  cache.reset(
    names.map((name) => new CachedObject(`default/${name}`, revision, pod(name, revision))),
    revision,
  );
  return { cache, clock };
}

function apply(cache: WatchCache, name: string, revision: number, labels?: Record<string, string>): void {
  cache.apply(`default/${name}`, revision, pod(name, revision, labels));
}

function text(item: WatchItem): string {
  return item.type === "BOOKMARK"
    ? `BOOKMARK ${item.revision}`
    : `${item.type} ${item.state.name}@${item.state.object.metadata?.resourceVersion ?? ""}`;
}

async function taken(watcher: Watcher): Promise<string[]> {
  const items: string[] = watcher.initial.map(text);
  while (watcher.queue.size > 0) {
    const result = await watcher.queue.next();
    if (result.done === true) break;
    items.push(text(result.value));
  }
  return items;
}

describe("WatchCache", () => {
  it("lists in key order, by prefix and by exact key", () => {
    const { cache } = cacheAt(5, ["b", "a"]);
    cache.apply("kube-system/c", 6, pod("c", 6));
    expect(cache.list(everything).map((state) => state.key)).toEqual(["default/a", "default/b", "kube-system/c"]);
    expect(cache.list({ ...everything, keyPrefix: "default/" }).map((state) => state.key)).toEqual(["default/a", "default/b"]);
    expect(cache.list({ ...everything, exactKey: "default/b" }).map((state) => state.key)).toEqual(["default/b"]);
    expect(cache.list(everything, "default/a\u0000").map((state) => state.key)).toEqual(["default/b", "kube-system/c"]);
  });

  it("W2 replays what came after the start and then follows", async () => {
    const { cache } = cacheAt(5, ["a"]);
    apply(cache, "a", 6);
    apply(cache, "b", 7);
    const watcher = cache.watch(everything, 6);
    cache.apply("default/a", 8, undefined);
    expect(await taken(watcher)).toEqual(["ADDED b@7", "DELETED a@8"]);
  });

  it("ignores changes that it knows already", async () => {
    const { cache } = cacheAt(5, ["a"]);
    const watcher = cache.watch(everything, 5);
    apply(cache, "a", 6);
    apply(cache, "a", 6);
    apply(cache, "a", 4);
    expect(await taken(watcher)).toEqual(["MODIFIED a@6"]);
  });

  it("takes several changes of one revision", async () => {
    const { cache } = cacheAt(5);
    const watcher = cache.watch(everything, 5);
    apply(cache, "a", 6);
    apply(cache, "b", 6);
    expect(await taken(watcher)).toEqual(["ADDED a@6", "ADDED b@6"]);
  });

  it("shows objects entering a selection as added and leaving it as deleted at the revision of the change", async () => {
    const { cache } = cacheAt(5);
    const watcher = cache.watch({ ...everything, matches: (object) => object.metadata?.labels?.["app"] === "web" }, 5);
    apply(cache, "a", 6, { app: "db" });
    apply(cache, "a", 7, { app: "web" });
    apply(cache, "a", 8, { app: "web", x: "y" });
    apply(cache, "a", 9, { app: "db" });
    cache.apply("default/a", 10, undefined);
    expect(await taken(watcher)).toEqual(["ADDED a@7", "MODIFIED a@8", "DELETED a@9"]);
  });

  it("marks the end of the initial events", async () => {
    const { cache } = cacheAt(5, ["a", "b"]);
    cache.advance(9);
    const watcher = cache.watch(everything, "initial", { markInitialEventsEnd: true });
    expect(await taken(watcher)).toEqual(["ADDED a@5", "ADDED b@5", "BOOKMARK 9"]);
  });

  it("W4 refuses a start that the history does not reach", () => {
    const { cache } = cacheAt(5, ["a"]);
    let refusal: unknown;
    try {
      cache.watch(everything, 4);
    } catch (error) {
      refusal = error;
    }
    expect(isStatusError(refusal, "Expired") && refusal.message).toBe("too old resource version: 4 (5)");
  });

  it("keeps young events beyond the minimum and forgets old ones", () => {
    const { cache, clock } = cacheAt(1, [], { historyMin: 2, historyMs: 1_000 });
    for (let revision = 2; revision <= 6; revision += 1) apply(cache, "a", revision);
    expect(() => cache.watch(everything, 1)).not.toThrow();
    clock.advance(2_000);
    apply(cache, "a", 7);
    expect(() => cache.watch(everything, 4)).toThrow("too old resource version: 4 (5)");
    expect(() => cache.watch(everything, 5)).not.toThrow();
  });

  it("W3 closes a watcher that does not keep up and goes on with the others", async () => {
    const { cache } = cacheAt(5, [], { watcherCapacity: 2 });
    const slow = cache.watch(everything, 5);
    for (let revision = 6; revision <= 8; revision += 1) apply(cache, "a", revision);
    expect(cache.watcherCount).toBe(0);
    await expect(slow.queue.next()).rejects.toEqual(new WatcherEnded("slow"));
  });

  it("ends its watchers when it is reset and tells observers what changed meanwhile", async () => {
    const { cache } = cacheAt(5, ["a", "b"]);
    const seen: string[] = [];
    cache.observe((before, after) => seen.push(`${before?.name ?? "-"}>${after?.name ?? "-"}`));
    const watcher = cache.watch(everything, 5);
    cache.reset([new CachedObject("default/b", 9, pod("b", 9)), new CachedObject("default/c", 8, pod("c", 8))], 9);
    await expect(watcher.queue.next()).rejects.toEqual(new WatcherEnded("reset"));
    expect(seen).toEqual(["->a", "->b", "a>-", "b>b", "->c"]);
  });
});
