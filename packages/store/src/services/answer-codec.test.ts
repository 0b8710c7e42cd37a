import { encodeKeyValue, type KeyEvent } from "@lenj/mvcc";
import { etcdserverpb, mvccpb } from "@lenj/proto/etcd";
import fc from "fast-check";
import { encodeEvent, encodeWatch } from "./answer-codec.js";

const uint64 = fc.bigInt(0n, 2n ** 64n - 1n);
const count = fc.oneof(fc.nat(200), fc.maxSafeNat());
const header = fc.record({ clusterId: uint64, memberId: uint64, revision: count, raftTerm: count });
const bytes = (length: number): Buffer => Buffer.alloc(length, "x");
const value = fc
  .constantFrom(0, 1, 127, 128, 20_000)
  .map((length) => encodeKeyValue({ key: bytes(3), value: bytes(length), createRevision: 2, modRevision: 3, version: 1, lease: 0n }));
const event: fc.Arbitrary<KeyEvent> = fc
  .record({ type: fc.constantFrom("put" as const, "delete" as const), value })
  .map(({ type, value }) => ({ type, value, key: "k", main: 3, sub: 0, previousMain: 0, previousSub: 0, previous: undefined }) as KeyEvent);

describe("watch answers", () => {
  it("are what the generated code writes", () => {
    const answer = fc.record({
      watchID: fc.oneof(fc.constant(0), fc.nat(200), fc.maxSafeNat()),
      fragment: fc.boolean(),
      headers: fc.array(header, { minLength: 1, maxLength: 3 }),
      events: fc.array(fc.tuple(event, fc.option(value, { nil: undefined })), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(answer, ({ watchID, fragment, headers, events }) => {
        // The same events go out more than once, and the header changes in between.
        for (const header of [...headers, ...headers]) {
          const encoded = events.map(([event, previous]) => encodeEvent(event, previous));
          const expected = etcdserverpb.WatchResponse.fromPartial({
            ...{ header, watchId: watchID, fragment },
            events: events.map(([{ type, value }, previous]) => ({
              type: type === "put" ? mvccpb.Event_EventType.PUT : mvccpb.Event_EventType.DELETE,
              kv: mvccpb.KeyValue.decode(value),
              ...(previous === undefined ? {} : { prevKv: mvccpb.KeyValue.decode(previous) }),
            })),
          });
          expect(encodeWatch({ watchID, fragment, events: encoded }, header)).toEqual(
            Buffer.from(etcdserverpb.WatchResponse.encode(expected).finish()),
          );
        }
      }),
    );
  });
});
