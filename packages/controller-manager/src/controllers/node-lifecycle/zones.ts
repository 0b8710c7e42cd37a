// How fast nodes of a zone may be emptied: the more of a zone is down at once, the more likely it is not the nodes' fault. Pure.
//
// Z1. A zone with some nodes down is emptied at --node-eviction-rate, one node at a time; so is one that is down as a whole.
// Z2. A zone with many nodes down is emptied at --secondary-node-eviction-rate, or not at all when it is small.
// Z3. Nothing is emptied while all zones are down.
// Source: pkg/controller/nodelifecycle (ComputeZoneState, setLimiterInZone, handleDisruption).
import type { corev1 } from "@lenj/proto/k8s";

export type ZoneState = "Normal" | "PartialDisruption" | "FullDisruption";

export interface Zone {
  readonly state: ZoneState;
  readonly size: number;
}

export interface EvictionSettings {
  /** Nodes a second. */
  readonly nodeEvictionRate: number;
  readonly secondaryNodeEvictionRate: number;
  /** Share of a zone's nodes that makes it partially disrupted. */
  readonly unhealthyZoneThreshold: number;
  /** Zones of more nodes than this are large. */
  readonly largeClusterSizeThreshold: number;
}

/** Fewer nodes than this that are down never make a zone disrupted, unless they are all of it. */
const disruptedNodesMin = 3;

/** Nodes without zone labels are a zone, too. */
export function zoneOf(node: corev1.Node): string {
  const labels = node.metadata?.labels ?? {};
  return `${labels["topology.kubernetes.io/region"] ?? ""}/${labels["topology.kubernetes.io/zone"] ?? ""}`;
}

export function zoneStates(
  nodes: readonly { readonly node: corev1.Node; readonly isReady: boolean }[],
  settings: Pick<EvictionSettings, "unhealthyZoneThreshold">,
): ReadonlyMap<string, Zone> {
  const counts = new Map<string, { size: number; down: number }>();
  for (const { node, isReady } of nodes) {
    const zone = zoneOf(node);
    const { size, down } = counts.get(zone) ?? { size: 0, down: 0 };
    counts.set(zone, { size: size + 1, down: down + (isReady ? 0 : 1) });
  }
  return new Map([...counts].map(([zone, count]) => [zone, { size: count.size, state: stateOf(count, settings.unhealthyZoneThreshold) }]));
}

function stateOf({ size, down }: { size: number; down: number }, threshold: number): ZoneState {
  if (down === size) return "FullDisruption";
  return down >= disruptedNodesMin && down / size >= threshold ? "PartialDisruption" : "Normal";
}

export function isAllDisrupted(zones: ReadonlyMap<string, Zone>): boolean {
  return zones.size > 0 && [...zones.values()].every(({ state }) => state === "FullDisruption");
}

/** Nodes a second whose pods may be evicted; 0: none. */
export function evictionRate({ state, size }: Zone, settings: EvictionSettings): number {
  if (state !== "PartialDisruption") return settings.nodeEvictionRate;
  return size > settings.largeClusterSizeThreshold ? settings.secondaryNodeEvictionRate : 0;
}

/** Lets one node through at a time and zone: a bucket of one token that refills at the zone's rate. */
export class EvictionLimiter {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** Whether a node of the zone may be emptied now; if so it counts. `rate` in nodes a second. */
  tryTake(zone: string, rate: number, nowMs: number): boolean {
    if (rate <= 0) return false;
    const bucket = this.#buckets.get(zone) ?? { tokens: 1, atMs: nowMs };
    const tokens = Math.min(1, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * rate);
    // Sums of fractions may fall short of a whole by nothing that matters.
    const isTaken = tokens >= 1 - 1e-9;
    this.#buckets.set(zone, { tokens: isTaken ? 0 : tokens, atMs: nowMs });
    return isTaken;
  }
}
