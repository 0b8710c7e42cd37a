import { etcdserverpb } from "@lenj/proto/etcd";
import fc from "fast-check";
import { type Command, decodeCommandBody, decodeCommandHeader, encodeCommand, requestNumberLimit } from "./command.js";

const bytes = fc.constantFrom(0, 1, 120, 127, 128, 300, 16_383, 16_384, 100_000).map((length) => Buffer.alloc(length, "b"));
const put: fc.Arbitrary<etcdserverpb.PutRequest> = fc.record({
  key: bytes,
  value: bytes,
  lease: fc.constantFrom(0n, 0n, 0n, 1n, -1n),
  prevKv: fc.constantFrom(false, false, false, true),
  ignoreValue: fc.constantFrom(false, false, false, true),
  ignoreLease: fc.constantFrom(false, false, false, true),
});
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ put }),
  fc.record({ put, header: fc.record({ ID: fc.constant(0n), username: fc.constantFrom("root", "u"), authRevision: fc.nat() }) }),
  fc.record({ leaseRevoke: fc.record({ ID: fc.bigInt(1n, 2n ** 62n) }) }),
);

describe("encodeCommand()", () => {
  it("writes who asked and the request, in the generated code's encoding", () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.integer({ min: 0, max: requestNumberLimit - 1 }),
        command,
        (memberID, number, asked) => {
          const encoded = encodeCommand(memberID, number, asked);
          expect(decodeCommandHeader(encoded)).toEqual({ memberID, requestNumber: number });
          expect(Buffer.from(encoded.subarray(15))).toEqual(
            Buffer.from(etcdserverpb.InternalRaftRequest.encode({ ID: 0n, ...asked }).finish()),
          );
          expect(decodeCommandBody(encoded)).toMatchObject(asked);
        },
      ),
    );
  });
});
