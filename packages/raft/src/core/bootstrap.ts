import { encodeConfChange } from "../confchange/codec.js";
import type { ConfChange, Entry, HardState } from "../types.js";

/**
 * The log that all first members of a new cluster start with: one committed membership entry of term 1 per change, applied like any other.
 * Members that join later and replay the log from its start then learn the whole membership; a confState known to the first members
 * alone would leave a joiner believing that it is the only voter. Upstream: RawNode.Bootstrap.
 */
export function bootstrapLog(changes: readonly ConfChange[]): { readonly hardState: HardState; readonly entries: readonly Entry[] } {
  const entries = changes.map((change, i): Entry => ({ term: 1, index: i + 1, type: "confChange", data: encodeConfChange(change) }));
  return { hardState: { term: 1, vote: 0n, commit: entries.length }, entries };
}
