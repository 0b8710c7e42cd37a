import fc from "fast-check";
import { formatIP, isUsable, parseIP, parseIPRange, staticBand, usableAddresses } from "./ip-range.js";

describe("parseIPRange()", () => {
  it("clears host bits and counts addresses", () => {
    const range = parseIPRange("10.96.3.4/16");
    expect([range.text, range.size, formatIP(range.first, "IPv4")]).toEqual(["10.96.0.0/16", 65_536n, "10.96.0.0"]);
    expect(parseIPRange("fd00::5/112").text).toBe("fd00::/112");
  });

  it.each(["10.96.0.0", "10.96.0.0/33", "300.0.0.0/8", "::1/129", "x/8"])("refuses %s", (text) => {
    expect(() => parseIPRange(text)).toThrow("invalid CIDR address");
  });

  it("gives out neither the network nor the broadcast address", () => {
    const range = parseIPRange("10.0.0.0/30");
    expect(["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"].map((text) => isUsable(range, parseIP(text)?.value ?? 0n))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(usableAddresses(parseIPRange("10.0.0.0/31")).count).toBe(0n);
  });
});

describe("formatIP()", () => {
  it.each(["::", "::1", "fd00::5", "1:2:3:4:5:6:7:8", "2001:db8:0:1:1:1:1:1", "2001:db8::1:0:0:1"])("prints %s as read", (text) => {
    expect(formatIP(parseIP(text)?.value ?? 0n, "IPv6")).toBe(text);
  });

  it("is read back to the same number", () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) => parseIP(formatIP(value, "IPv6"))?.value === value));
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }), (value) => parseIP(formatIP(value, "IPv4"))?.value === value));
  });
});

describe("staticBand()", () => {
  it("is a sixteenth of the range, between 16 and 256", () => {
    expect([10n, 100n, 1_024n, 65_534n].map(staticBand)).toEqual([0n, 16n, 64n, 256n]);
  });
});
