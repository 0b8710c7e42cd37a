// Hands out equal parts of an address range. Source: pkg/controller/nodeipam/ipam/cidrset.
import { isIPv6 } from "node:net";

export class CIDRSet {
  readonly #isIPv6: boolean;
  readonly #bits: number;
  readonly #base: bigint;
  readonly #nodeMaskSize: number;
  readonly #count: number;
  readonly #used = new Set<number>();
  #next = 0;

  /** Throws Error when `cidr` is not a range or smaller than one part. */
  constructor(cidr: string, nodeMaskSize: number) {
    const [address = "", mask = ""] = cidr.split("/");
    this.#isIPv6 = isIPv6(address);
    this.#bits = this.#isIPv6 ? 128 : 32;
    const maskSize = Number(mask);
    if (nodeMaskSize < maskSize || nodeMaskSize > this.#bits)
      throw new Error(`node CIDR mask size ${nodeMaskSize} does not fit cluster CIDR ${cidr}`);
    this.#nodeMaskSize = nodeMaskSize;
    const hostBits = BigInt(this.#bits - maskSize);
    this.#base = (parseAddress(address) >> hostBits) << hostBits;
    this.#count = 2 ** Math.min(nodeMaskSize - maskSize, 16);
  }

  /** Marks a range given out earlier. Ranges outside are ignored. */
  occupy(cidr: string): void {
    const part = this.#partOf(cidr);
    if (part !== undefined) this.#used.add(part);
  }

  release(cidr: string): void {
    const part = this.#partOf(cidr);
    if (part !== undefined) this.#used.delete(part);
  }

  /** Undefined: all parts are in use. Parts are used in turn, so that a freed one rests for a while. */
  allocate(): string | undefined {
    for (let tried = 0; tried < this.#count; tried += 1) {
      const part = (this.#next + tried) % this.#count;
      if (this.#used.has(part)) continue;
      this.#used.add(part);
      this.#next = (part + 1) % this.#count;
      const address = this.#base + (BigInt(part) << BigInt(this.#bits - this.#nodeMaskSize));
      return `${formatAddress(address, this.#isIPv6)}/${this.#nodeMaskSize}`;
    }
    return undefined;
  }

  #partOf(cidr: string): number | undefined {
    const address = cidr.split("/")[0] ?? "";
    if (address === "" || isIPv6(address) !== this.#isIPv6) return undefined;
    const part = (parseAddress(address) - this.#base) >> BigInt(this.#bits - this.#nodeMaskSize);
    return part >= 0n && part < BigInt(this.#count) ? Number(part) : undefined;
  }
}

function parseAddress(address: string): bigint {
  if (!isIPv6(address)) return address.split(".").reduce((sum, octet) => (sum << 8n) + BigInt(octet), 0n);
  const [head = "", tail] = address.split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: missing }, () => "0"), ...groups(tail ?? "")];
  return all.reduce((sum, group) => (sum << 16n) + BigInt(`0x${group}`), 0n);
}

function formatAddress(address: bigint, isV6: boolean): string {
  if (!isV6) return [24n, 16n, 8n, 0n].map((shift) => String((address >> shift) & 255n)).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => ((address >> BigInt(112 - 16 * at)) & 0xffffn).toString(16));
  const text = groups.join(":");
  // The longest run of zeros is left out, the first of several. Source: RFC 5952.
  const runs = [...text.matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)].map(([run]) => run);
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest === "") return text;
  const at = text.search(new RegExp(`(?<![0-9a-f])${longest}(?![0-9a-f])`));
  return `${text.slice(0, at).replace(/:$/, "")}::${text.slice(at + longest.length).replace(/^:/, "")}`;
}
