import { etcdserverpb } from "@lenj/proto/etcd";
import { type HistoryEvent, WatchLedger } from "./watch-ledger.js";

const create = (watchId: number, fields: Partial<etcdserverpb.WatchCreateRequest>): etcdserverpb.WatchCreateRequest =>
  etcdserverpb.WatchCreateRequest.fromPartial({ watchId, key: Buffer.from("a"), ...fields });
const event = (revision: number, key: string, isDelete = false): HistoryEvent => ({ revision, key, isDelete });
const said = (events: number, compactions = 0): { events: number; compactions: number } => ({ events, compactions });

describe("WatchLedger", () => {
  it("counts events in range, from the start on, of the types that are not filtered", () => {
    const ledger = new WatchLedger();
    ledger.record(event(2, "a"));
    ledger.record(event(3, "b"));
    ledger.open(create(1, { startRevision: 2, rangeEnd: Buffer.from("c") }), { revision: 3, compacted: 0 });
    ledger.open(create(2, {}), { revision: 3, compacted: 0 });
    ledger.open(create(3, { startRevision: 2, rangeEnd: Buffer.of(0), filters: [0] }), { revision: 3, compacted: 0 });
    ledger.record(event(4, "a", true));
    expect([1, 2, 3].map((id) => [0, 1, 2, 3].filter((count) => ledger.isServed(id, said(count), true))[0])).toEqual([3, 1, 1]);
  });

  it("is due only its cancellation when it starts before what is compacted", () => {
    const ledger = new WatchLedger();
    ledger.record(event(5, "a"));
    ledger.open(create(1, { startRevision: 2 }), { revision: 5, compacted: 4 });
    expect(ledger.isServed(1, said(9), true)).toBe(false);
    expect(ledger.isServed(1, said(0, 1), true)).toBe(true);
  });

  it("asks for a deletion at the compacted revision only where it is kept", () => {
    const ledger = new WatchLedger();
    ledger.record(event(4, "a", true));
    ledger.open(create(1, { startRevision: 4 }), { revision: 5, compacted: 4 });
    expect(ledger.isServed(1, said(0), false)).toBe(true);
    expect(ledger.isServed(1, said(0), true)).toBe(false);
  });

  it("has counted what it forgets", () => {
    const ledger = new WatchLedger();
    ledger.open(create(1, {}), { revision: 1, compacted: 0 });
    ledger.record(event(2, "a"));
    ledger.forget(3);
    ledger.record(event(3, "a"));
    expect(ledger.isServed(1, said(1), true)).toBe(false);
    expect(ledger.isServed(1, said(2), true)).toBe(true);
  });
});
