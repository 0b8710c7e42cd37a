// Range as clients see it: sorting, filters and limits on top of the key space's plain read.
// Source: etcd server/etcdserver/txn/range.go.
import {
  decodeKeyValue,
  type EncodedKeyValue,
  encodeKeyValue,
  type KeyRange,
  type KeyValue,
  keyRangeFromWire,
  type RangeOptions,
  type RangeResult,
} from "@lenj/mvcc";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { RangeAnswer } from "./answers.js";

const { RangeRequest_SortOrder: SortOrder, RangeRequest_SortTarget: SortTarget } = etcdserverpb;
const emptyValue = new Uint8Array(0);

/** Anything that can be read: the key space, or a transaction in progress. */
export interface Readable {
  range(range: KeyRange, options: RangeOptions): RangeResult;
}

/** `revision` is what the answer's header says. Throws COMPACTED or FUTURE_REVISION of the key space. */
export function readRange(view: Readable, request: etcdserverpb.RangeRequest, revision: number): RangeAnswer {
  const order = request.sortTarget !== SortTarget.KEY && request.sortOrder === SortOrder.NONE ? SortOrder.ASCEND : request.sortOrder;
  const isSorted = order === SortOrder.DESCEND || request.sortTarget !== SortTarget.KEY;
  const isFiltered = hasRevisionFilter(request);
  // One more than asked for tells whether there is more; sorting and filtering need everything. As upstream, a target without an order
  // does not count as sorting here: what is sorted is then the first keys.
  const needsAll = request.sortOrder !== SortOrder.NONE || isFiltered;
  const fetchLimit = request.limit > 0 && !needsAll ? request.limit + 1 : 0;
  const { values, count } = view.range(keyRangeFromWire(request.key, request.rangeEnd), {
    revision: request.revision,
    limit: fetchLimit,
    countOnly: request.countOnly,
  });
  let kept: EncodedKeyValue[] = values;
  if (isFiltered || isSorted) kept = sortAndFilter(values, request, { order, isSorted, isFiltered });
  const more = request.limit > 0 && kept.length > request.limit;
  if (more) kept = kept.slice(0, request.limit);
  if (request.keysOnly) kept = kept.map(withoutValue);
  return { kind: "range", revision, values: kept, more, count };
}

/** Whether an order other than that in which keys are found is asked for. */
export function hasSortOrder({ sortTarget, sortOrder }: etcdserverpb.RangeRequest): boolean {
  return sortTarget !== SortTarget.KEY || sortOrder === SortOrder.DESCEND;
}

export function hasRevisionFilter(request: etcdserverpb.RangeRequest): boolean {
  return request.minModRevision !== 0 || request.maxModRevision !== 0 || request.minCreateRevision !== 0 || request.maxCreateRevision !== 0;
}

function sortAndFilter(
  values: readonly EncodedKeyValue[],
  request: etcdserverpb.RangeRequest,
  how: { readonly order: number; readonly isSorted: boolean; readonly isFiltered: boolean },
): EncodedKeyValue[] {
  let rows = values.map((encoded) => ({ encoded, kv: decodeKeyValue(encoded) }));
  if (how.isFiltered) rows = rows.filter(({ kv }) => passesFilter(kv, request));
  if (how.isSorted) {
    const compare = comparison(request.sortTarget);
    const sign = how.order === SortOrder.DESCEND ? -1 : 1;
    rows.sort((a, b) => sign * compare(a.kv, b.kv));
  }
  return rows.map(({ encoded }) => encoded);
}

function passesFilter(kv: KeyValue, request: etcdserverpb.RangeRequest): boolean {
  if (request.minModRevision !== 0 && kv.modRevision < request.minModRevision) return false;
  if (request.maxModRevision !== 0 && kv.modRevision > request.maxModRevision) return false;
  if (request.minCreateRevision !== 0 && kv.createRevision < request.minCreateRevision) return false;
  return request.maxCreateRevision === 0 || kv.createRevision <= request.maxCreateRevision;
}

function comparison(target: etcdserverpb.RangeRequest_SortTarget): (a: KeyValue, b: KeyValue) => number {
  switch (target) {
    case SortTarget.VERSION:
      return (a, b) => a.version - b.version;
    case SortTarget.CREATE:
      return (a, b) => a.createRevision - b.createRevision;
    case SortTarget.MOD:
      return (a, b) => a.modRevision - b.modRevision;
    case SortTarget.VALUE:
      return (a, b) => Buffer.compare(a.value, b.value);
    default:
      return (a, b) => Buffer.compare(a.key, b.key);
  }
}

export function withoutValue(encoded: EncodedKeyValue): EncodedKeyValue {
  return encodeKeyValue({ ...decodeKeyValue(encoded), value: emptyValue });
}
