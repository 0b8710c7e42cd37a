import fc from "fast-check";
import { PortBitmap, parsePortRange } from "./port-bitmap.js";

const range = { first: 30_000, last: 32_767 };

describe("PortBitmap", () => {
  it("survives its stored form", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: range.first, max: range.last })), (ports) => {
        const read = PortBitmap.decode(range, new PortBitmap(range, ports).encode());
        expect([...read.taken].sort()).toEqual([...ports].sort());
      }),
    );
  });

  it("stores the number whose bit n stands for the n-th port, as upstream does", () => {
    expect([...new PortBitmap(range, [30_000, 30_009]).encode()]).toEqual([0x02, 0x01]);
  });

  it("gives out every port once, those above the reserved band first", () => {
    const small = new PortBitmap({ first: 100, last: 199 });
    const given: number[] = [];
    for (let port = small.findFree(() => 0); port !== undefined; port = small.findFree(() => 0)) {
      small.take(port);
      given.push(port);
    }
    expect([given.length, new Set(given).size, given[0]]).toEqual([100, 100, 116]);
  });
});

describe("parsePortRange()", () => {
  it("refuses ranges that are none", () => {
    expect(parsePortRange("30000-32767")).toEqual(range);
    for (const text of ["30000", "2-1", "1-70000", "a-b"]) expect(() => parsePortRange(text)).toThrow("invalid port range");
  });
});
