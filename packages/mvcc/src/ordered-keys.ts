import BTreeModule from "sorted-btree";
import type { Key } from "./key-range.js";

// The library is CommonJS: seen from here, its class is the `default` of the default import.
const BTree = BTreeModule.default;

/** A B+ tree from key to `Value`, in byte order of the keys. */
export type OrderedKeys<Value> = InstanceType<typeof BTreeModule.default<Key, Value>>;

/** Items a tree node holds; wide nodes keep the tree of a million keys four levels deep. */
const nodeSize = 64;

export function createOrderedKeys<Value>(): OrderedKeys<Value> {
  return new BTree<Key, Value>(undefined, (a: Key, b: Key) => (a < b ? -1 : a > b ? 1 : 0), nodeSize);
}
