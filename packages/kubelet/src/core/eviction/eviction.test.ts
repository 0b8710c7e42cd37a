import type { corev1 } from "@lenj/proto/k8s";
import { container, pod } from "../../testing/pod-fixtures.js";
import { defaultImageGCPolicy, type ImageUse, planImageGC } from "../images/image-gc.js";
import { chooseVictim, defaultThresholds, evictionMessage, type NodeSupply, shortages } from "./eviction.js";

const plenty: NodeSupply = {
  memoryAvailableBytes: 2 ** 30,
  nodefsAvailableBytes: 50,
  nodefsCapacityBytes: 100,
  nodefsInodesFree: 50,
  nodefsInodes: 100,
};

describe("shortages", () => {
  it.each([
    ["nothing", {}, []],
    ["at the threshold", { memoryAvailableBytes: 100 * 2 ** 20 }, []],
    ["memory", { memoryAvailableBytes: 100 * 2 ** 20 - 1 }, ["memory"]],
    ["disk", { nodefsAvailableBytes: 9 }, ["ephemeral-storage"]],
    ["inodes", { nodefsInodesFree: 4 }, ["inodes"]],
    ["a file system that counts no inodes", { nodefsInodesFree: 0, nodefsInodes: 0 }, []],
  ])("%s", (_, more, resources) => {
    expect(shortages({ ...plenty, ...more }, defaultThresholds).map((shortage) => shortage.resource)).toEqual(resources);
  });

  it("is told in upstream's words", () => {
    const [shortage] = shortages({ ...plenty, memoryAvailableBytes: 50 * 2 ** 20 }, defaultThresholds);
    expect(evictionMessage(shortage as NonNullable<typeof shortage>)).toBe(
      "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51200Ki. ",
    );
  });
});

describe("chooseVictim", () => {
  const candidate = (name: string, memoryBytes: number, spec: Partial<corev1.PodSpec> = {}, request = "100") => ({
    pod: pod({ containers: [container("app", { resources: { requests: { memory: request } } })], ...spec }, { name }),
    memoryBytes,
  });
  it.each([
    ["who uses more than was requested", [candidate("below", 99), candidate("above", 101)], "above"],
    ["then the lower priority", [candidate("high", 900, { priority: 5 }), candidate("low", 101, { priority: 1 })], "low"],
    ["then who is furthest above the request", [candidate("some", 150), candidate("most", 300)], "most"],
    ["nobody critical", [candidate("critical", 900, { priority: 2_000_000_000 })], undefined],
    ["within the request when no other is left", [candidate("only", 1)], "only"],
  ])("%s", (_, candidates, name) => expect(chooseVictim(candidates)?.pod.metadata?.name).toBe(name));
});

describe("planImageGC", () => {
  const image = (id: string, more: Partial<ImageUse> = {}): ImageUse => ({
    id,
    sizeBytes: 3,
    pinned: false,
    firstSeenMs: 0,
    lastUsedMs: 0,
    inUse: false,
    ...more,
  });
  const now = 1_000_000;
  const removed = (images: ImageUse[], availableBytes: number): string[] =>
    planImageGC(images, { capacityBytes: 100, availableBytes }, defaultImageGCPolicy, now).map((entry) => entry.id);

  it("does nothing below 85 % in use", () => expect(removed([image("a")], 16)).toEqual([]));
  it("frees down to 80 %, the least recently used first", () => {
    const images = [image("new", { lastUsedMs: 3 }), image("old", { lastUsedMs: 1 }), image("mid", { lastUsedMs: 2 })];
    expect(removed(images, 15)).toEqual(["old", "mid"]);
  });
  it("keeps what is in use, pinned or young", () => {
    const images = [image("used", { inUse: true }), image("pinned", { pinned: true }), image("young", { firstSeenMs: now - 119_999 })];
    expect(removed(images, 0)).toEqual([]);
  });
  it("does not divide by a file system of unknown size", () => {
    expect(planImageGC([image("a")], { capacityBytes: 0, availableBytes: 0 }, defaultImageGCPolicy, now)).toEqual([]);
  });
});
