import fc from "fast-check";
import { canonicalQuantity, Quantity, QuantityError } from "./quantity.js";

describe("Quantity", () => {
  // Pairs as upstream's own documentation and behaviour give them.
  it.each([
    ["0", "0"],
    ["0m", "0"],
    ["1", "1"],
    ["1000m", "1"],
    ["0.5", "500m"],
    [".5", "500m"],
    ["1.", "1."],
    ["1500m", "1500m"],
    ["1024Mi", "1Gi"],
    ["1023", "1023"],
    ["1024", "1024"],
    ["1Ki", "1Ki"],
    ["0.5Ki", "512"],
    ["1.5Gi", "1536Mi"],
    ["1e3", "1e3"],
    ["1E3", "1E3"],
    ["1000", "1k"],
    ["1000k", "1M"],
    ["100000m", "100"],
    ["1.500", "1.500"],
    ["0.500", "500m"],
    ["-1", "-1"],
    ["-500m", "-500m"],
    ["1n", "1n"],
    ["0.1n", "1n"],
    ["100.1234567891", "100123456790n"],
    ["12e6", "12e6"],
    ["12000e3", "12e6"],
    ["1E", "1E"],
    ["9223372036854775807Ei", "9223372036854775807"],
    ["0.1Ki", "102400m"],
    ["3072Mi", "3Gi"],
    ["1500Mi", "1500Mi"],
    ["128Mi", "128Mi"],
  ])("prints %s as %s", (input, output) => {
    expect(canonicalQuantity(input)).toBe(output);
  });

  it.each([
    ["", "FORMAT"],
    ["1.1.1", "FORMAT"],
    ["abc", "FORMAT"],
    ["1 Gi", "FORMAT"],
    ["--1", "SUFFIX"],
    ["1.5xyz", "FORMAT"],
    ["1mm", "SUFFIX"],
    ["1K", "SUFFIX"],
    ["1gi", "FORMAT"],
    ["1e", "SUFFIX"],
    ["Mi", "NUMERIC"],
  ])("refuses %j with %s", (input, code) => {
    try {
      Quantity.parse(input);
      throw new Error("accepted");
    } catch (error) {
      expect(error).toBeInstanceOf(QuantityError);
      expect((error as QuantityError).code).toBe(code);
    }
  });

  it("names the expected form", () => {
    expect(() => Quantity.parse("x")).toThrow(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
  });

  const text = fc
    .tuple(
      fc.constantFrom("", "-"),
      fc.bigInt({ min: 0n, max: 10n ** 12n }),
      fc.option(fc.nat({ max: 99999 })),
      fc.constantFrom("", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-3"),
    )
    .map(([sign, whole, fraction, suffix]) => `${sign}${whole}${fraction === null ? "" : `.${fraction}`}${suffix}`);

  it("caps binary values at 2^63-1, however they are written", () => {
    for (const text of ["8589934592Gi", "8589934592.0Gi", "9Ei", "8.5Ei"])
      expect(Quantity.parse(text).toString()).toBe("9223372036854775807");
  });

  it("formats to a text that means the same and is stable (Q2)", () => {
    fc.assert(
      fc.property(text, (input) => {
        const parsed = Quantity.parse(input);
        const again = Quantity.parse(parsed.toString());
        expect(again.compare(parsed)).toBe(0);
        const canonical = /^-?[0-9]/.test(parsed.toString());
        expect(canonical).toBe(true);
        expect(Quantity.parse(again.toString()).toString()).toBe(again.toString());
      }),
    );
  });

  it("adds and subtracts exactly", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const left = Quantity.parse(a);
        const right = Quantity.parse(b);
        expect(left.add(right).subtract(right).compare(left)).toBe(0);
        expect(Math.sign(left.subtract(right).sign())).toBe(left.compare(right));
      }),
    );
  });

  it("rounds whole and milli values away from zero", () => {
    expect(Quantity.parse("1500m").value()).toBe(2);
    expect(Quantity.parse("-1500m").value()).toBe(-2);
    expect(Quantity.parse("100u").milliValue()).toBe(1);
    expect(Quantity.parse("2").milliValue()).toBe(2000);
    expect(Quantity.parse("1Gi").value()).toBe(1073741824);
    expect(Quantity.parse("123456n").roundUp(-3).toString()).toBe("1m");
  });
});
