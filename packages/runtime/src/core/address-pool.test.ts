import { AddressPool, formatIP, parseAddressRange, parseIP } from "./address-pool.js";

describe("AddressPool", () => {
  const next = (pool: AddressPool, owner: string): string => formatIP(pool.allocate(owner).ip);

  it("gives out neither network, gateway nor broadcast, and reuses what was freed last", () => {
    const pool = new AddressPool(parseAddressRange("10.1.2.9/29"));
    expect(formatIP(pool.gateway)).toBe("10.1.2.9");
    expect(["a", "b", "c", "d", "e"].map((owner) => next(pool, owner))).toEqual([2, 3, 4, 5, 6].map((offset) => `10.1.2.${8 + offset}`));
    expect(() => pool.allocate("f")).toThrow("no IP addresses available in range set: 10.1.2.8/29");
    pool.release("b");
    expect(next(pool, "f")).toBe("10.1.2.11");
  });

  it("lets a freed address rest while others are free", () => {
    const pool = new AddressPool(parseAddressRange("10.1.2.0/29"));
    next(pool, "a");
    pool.release("a");
    expect(next(pool, "b")).toBe("10.1.2.3");
  });

  it("adopts what it finds at start, if it is of its range", () => {
    const pool = new AddressPool(parseAddressRange("10.1.2.0/29"));
    expect(pool.adopt("a", parseIP("10.1.2.2"))).toBe(true);
    expect(pool.adopt("b", parseIP("10.1.3.2"))).toBe(false);
    expect(next(pool, "c")).toBe("10.1.2.3");
  });

  it.each(["10.1.2.0", "10.1.2.0/30", "10.1.256.0/24", "fd00::/64"])("does not take %s for a range", (text) => {
    expect(() => parseAddressRange(text)).toThrow(`invalid pod CIDR "${text}"`);
  });
});
