// Order of merged lists: items that the patch names come in the patch's order, all others keep theirs.
// Source: k8s.io/apimachinery pkg/util/strategicpatch (normalizeElementOrder, mergeSortedSlice).
import { isJSONObject, type JSONValue } from "../meta/json.js";

/** Same primitive, or same value under the merge key. */
export function sameElement(a: JSONValue, b: JSONValue, mergeKey: string | undefined): boolean {
  if (mergeKey === undefined || !isJSONObject(a) || !isJSONObject(b)) return a === b;
  return a[mergeKey] === b[mergeKey];
}

/**
 * Orders `merged`. `order` lists the elements that the patch names; `live` is the list before the patch.
 * Elements the patch does not name are woven in by their place in `live`: before the first named element that stood behind them.
 */
export function normalizeOrder(
  merged: readonly JSONValue[],
  order: readonly JSONValue[],
  live: readonly JSONValue[],
  mergeKey: string | undefined,
): JSONValue[] {
  const positionIn = (list: readonly JSONValue[], item: JSONValue): number =>
    list.findIndex((candidate) => sameElement(candidate, item, mergeKey));
  const named = merged.filter((item) => positionIn(order, item) >= 0).sort((a, b) => positionIn(order, a) - positionIn(order, b));
  const others = merged.filter((item) => positionIn(order, item) < 0).sort((a, b) => positionIn(live, a) - positionIn(live, b));
  const result: JSONValue[] = [];
  let nextNamed = 0;
  for (const other of others) {
    const place = positionIn(live, other);
    while (nextNamed < named.length) {
      const candidate = named[nextNamed] as JSONValue;
      const candidatePlace = positionIn(live, candidate);
      // New elements have no place in the live list and go behind what is there.
      if (candidatePlace < 0 || candidatePlace > place) break;
      result.push(candidate);
      nextNamed += 1;
    }
    result.push(other);
  }
  return [...result, ...named.slice(nextNamed)];
}
