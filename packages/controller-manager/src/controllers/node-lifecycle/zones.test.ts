import type { corev1 } from "@lenj/proto/k8s";
import { EvictionLimiter, evictionRate, isAllDisrupted, zoneOf, zoneStates } from "./zones.js";

const settings = { nodeEvictionRate: 0.1, secondaryNodeEvictionRate: 0.01, unhealthyZoneThreshold: 0.55, largeClusterSizeThreshold: 50 };
const node = (zone: string, region = ""): corev1.Node => ({
  metadata: { name: "n", labels: { "topology.kubernetes.io/zone": zone, "topology.kubernetes.io/region": region } },
});
const nodes = (zone: string, up: number, down: number): { node: corev1.Node; isReady: boolean }[] =>
  [...Array<boolean>(up).fill(true), ...Array<boolean>(down).fill(false)].map((isReady) => ({ node: node(zone), isReady }));

describe("zoneStates()", () => {
  it.each([
    [3, 0, "Normal"],
    [1, 2, "Normal"],
    [2, 3, "PartialDisruption"],
    [3, 3, "Normal"],
    [10, 12, "Normal"],
    [9, 11, "PartialDisruption"],
    [0, 1, "FullDisruption"],
    [0, 5, "FullDisruption"],
  ])("with %d nodes up and %d down is %s", (up, down, state) => {
    expect(zoneStates(nodes("a", up, down), settings).get("/a")).toEqual({ state, size: up + down });
  });

  it("tells regions apart, and knows when nothing is left anywhere", () => {
    expect([zoneOf(node("a", "r1")), zoneOf(node("a", "r2")), zoneOf({ metadata: {} })]).toEqual(["r1/a", "r2/a", "/"]);
    expect(isAllDisrupted(zoneStates([...nodes("a", 0, 2), ...nodes("b", 1, 1)], settings))).toBe(false);
    expect(isAllDisrupted(zoneStates([...nodes("a", 0, 2), ...nodes("b", 0, 1)], settings))).toBe(true);
    expect(isAllDisrupted(new Map())).toBe(false);
  });
});

describe("evictionRate()", () => {
  it.each([
    [{ state: "Normal", size: 3 }, 0.1],
    [{ state: "FullDisruption", size: 3 }, 0.1],
    [{ state: "PartialDisruption", size: 50 }, 0],
    [{ state: "PartialDisruption", size: 51 }, 0.01],
  ] as const)("of %j is %d nodes a second", (zone, rate) => {
    expect(evictionRate(zone, settings)).toBe(rate);
  });
});

describe("EvictionLimiter", () => {
  it("lets the first node go at once and one more each ten seconds, zone by zone", () => {
    const limiter = new EvictionLimiter();
    const times = Array.from({ length: 26 }, (_, second) => second).filter((second) => limiter.tryTake("a", 0.1, second * 1_000));
    expect(times).toEqual([0, 10, 20]);
    expect(limiter.tryTake("b", 0.1, 25_000)).toBe(true);
  });

  it("saves nothing up, and lets nobody go at rate zero", () => {
    const limiter = new EvictionLimiter();
    expect([limiter.tryTake("a", 1, 0), limiter.tryTake("a", 1, 60_000), limiter.tryTake("a", 1, 60_000)]).toEqual([true, true, false]);
    expect(limiter.tryTake("a", 0, 120_000)).toBe(false);
  });
});
