// One scheduling decision: filter the nodes, score what is left, choose. Pure but for the injected random number.
import type { Random } from "@lenj/base";
import { normalizeScores, type Plugin, type Rejection } from "./framework.js";
import type { NodeInfo, NodeSnapshot, PlacedPod } from "./node-snapshot.js";

export type Decision =
  | { readonly outcome: "placed"; readonly node: string; readonly evaluated: number; readonly feasible: number }
  | { readonly outcome: "rejected"; readonly rejections: ReadonlyMap<string, Rejection> };

export interface CycleOptions {
  readonly random: Random;
  /** Where filtering starts, so that on large clusters all nodes get their turn. */
  readonly startOffset: number;
}

export function schedulePod(pod: PlacedPod, snapshot: NodeSnapshot, plugins: readonly Plugin[], options: CycleOptions): Decision {
  const { feasible, rejections, evaluated } = findFeasible(pod, snapshot, plugins, options.startOffset);
  if (feasible.length === 0) return { outcome: "rejected", rejections };
  const node = feasible.length === 1 ? (feasible[0] as NodeInfo) : chooseBest(pod, feasible, snapshot, plugins, options.random);
  return { outcome: "placed", node: node.name, evaluated, feasible: feasible.length };
}

interface Filters {
  readonly plugin: Plugin;
  readonly state: unknown;
}

function prepareFilters(pod: PlacedPod, snapshot: NodeSnapshot, plugins: readonly Plugin[]): Filters[] {
  return plugins.flatMap((plugin) => {
    if (plugin.filter === undefined) return [];
    const state = plugin.preFilter?.(pod, snapshot);
    return state === "skip" ? [] : [{ plugin, state }];
  });
}

function rejectionOf(pod: PlacedPod, node: NodeInfo, filters: readonly Filters[]): Rejection | undefined {
  for (const { plugin, state } of filters) {
    const rejection = plugin.filter?.(pod, node, state);
    // The first plugin that says no is the node's reason, as upstream.
    if (rejection !== undefined) return { plugin: plugin.name, ...rejection };
  }
  return undefined;
}

function findFeasible(
  pod: PlacedPod,
  snapshot: NodeSnapshot,
  plugins: readonly Plugin[],
  startOffset: number,
): { feasible: NodeInfo[]; rejections: Map<string, Rejection>; evaluated: number } {
  const filters = prepareFilters(pod, snapshot, plugins);
  const enough = nodesToFind(snapshot.nodes.length);
  const feasible: NodeInfo[] = [];
  const rejections = new Map<string, Rejection>();
  let evaluated = 0;
  for (; evaluated < snapshot.nodes.length && feasible.length < enough; evaluated++) {
    const node = snapshot.nodes[(startOffset + evaluated) % snapshot.nodes.length] as NodeInfo;
    const rejection = rejectionOf(pod, node, filters);
    if (rejection === undefined) feasible.push(node);
    else rejections.set(node.name, rejection);
  }
  return { feasible, rejections, evaluated };
}

/** Whether one node takes the pod, all plugins asked; for what-if questions. */
export function fitsNode(pod: PlacedPod, nodeName: string, snapshot: NodeSnapshot, plugins: readonly Plugin[]): boolean {
  const node = snapshot.nodes.find((candidate) => candidate.name === nodeName);
  return node !== undefined && rejectionOf(pod, node, prepareFilters(pod, snapshot, plugins)) === undefined;
}

/** Scoring every node of a large cluster gains little: at least 100, else 50 % less 1 % for each 125 nodes, never below 5 %. */
function nodesToFind(count: number): number {
  if (count < 100) return count;
  const percentage = Math.max(5, 50 - Math.floor(count / 125));
  return Math.max(100, Math.floor((count * percentage) / 100));
}

function chooseBest(
  pod: PlacedPod,
  nodes: readonly NodeInfo[],
  snapshot: NodeSnapshot,
  plugins: readonly Plugin[],
  random: Random,
): NodeInfo {
  const totals = scoreNodes(pod, nodes, snapshot, plugins);
  const best = Math.max(...totals);
  const equals = nodes.filter((_, offset) => totals[offset] === best);
  return equals[random.below(equals.length)] as NodeInfo;
}

/** Weighted sums of all plugins' normalized scores, in the order of the nodes. */
export function scoreNodes(pod: PlacedPod, nodes: readonly NodeInfo[], snapshot: NodeSnapshot, plugins: readonly Plugin[]): number[] {
  const totals = nodes.map(() => 0);
  for (const plugin of plugins) {
    if (plugin.score === undefined) continue;
    const state = plugin.preScore?.(pod, nodes, snapshot);
    if (state === "skip") continue;
    const scores = normalizeScores(
      nodes.map((node) => plugin.score?.(pod, node, state) ?? 0),
      plugin.normalize ?? "none",
    );
    scores.forEach((score, offset) => {
      totals[offset] = (totals[offset] ?? 0) + score * plugin.weight;
    });
  }
  return totals;
}
