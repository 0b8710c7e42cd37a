// Which pod has which address of the node's pod range.
//
// A1. The network's and the broadcast's address and the first one (the gateway) are never given out.
// A2. Addresses are given out in a ring, so that a freed one rests as long as possible.
// Upstream: the CNI plugin host-local.

import { RuntimeError } from "./errors.js";
import type { IPv4 } from "./launch/netlink.js";

export interface AddressRange {
  readonly base: number;
  readonly prefixBits: number;
}

/** Parses "10.244.1.0/24". Throws RuntimeError INVALID_ARGUMENT. */
export function parseAddressRange(text: string): AddressRange {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(text);
  const octets = match?.slice(1, 5).map(Number) ?? [];
  const prefixBits = Number(match?.[5]);
  if (match === null || octets.some((octet) => octet > 255) || prefixBits > 29) {
    throw new RuntimeError("INVALID_ARGUMENT", `invalid pod CIDR "${text}": must be an IPv4 range of at least 8 addresses`);
  }
  const address = octets.reduce((value, octet) => value * 256 + octet, 0);
  return { base: address - (address % 2 ** (32 - prefixBits)), prefixBits };
}

export function ipFromNumber(value: number): IPv4 {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

export function formatIP(ip: IPv4): string {
  return ip.join(".");
}

export function parseIP(text: string): IPv4 {
  const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
  return [a, b, c, d];
}

export class AddressPool {
  readonly #used = new Map<number, string>();
  #next = 2;

  constructor(readonly range: AddressRange) {}

  get gateway(): IPv4 {
    return ipFromNumber(this.range.base + 1);
  }

  /** Addresses that pods can have. */
  get capacity(): number {
    return 2 ** (32 - this.range.prefixBits) - 3;
  }

  /** Takes the next free address for `owner`. Throws RuntimeError RESOURCE_EXHAUSTED when there is none. */
  allocate(owner: string): { ip: IPv4; offset: number } {
    for (let tried = 0; tried < this.capacity; tried++) {
      const offset = this.#next;
      this.#next = offset - 1 >= this.capacity ? 2 : offset + 1;
      if (this.#used.has(offset)) continue;
      this.#used.set(offset, owner);
      return { ip: ipFromNumber(this.range.base + offset), offset };
    }
    throw new RuntimeError(
      "RESOURCE_EXHAUSTED",
      `no IP addresses available in range set: ${formatIP(ipFromNumber(this.range.base))}/${this.range.prefixBits}`,
    );
  }

  /** Marks an address as taken by a sandbox that was found at start; false when it is not of this range. */
  adopt(owner: string, ip: IPv4): boolean {
    const offset = ip.reduce((value, octet) => value * 256 + octet, 0) - this.range.base;
    if (offset < 2 || offset - 1 > this.capacity) return false;
    this.#used.set(offset, owner);
    this.#next = offset - 1 >= this.capacity ? 2 : offset + 1;
    return true;
  }

  release(owner: string): void {
    for (const [offset, current] of this.#used) if (current === owner) this.#used.delete(offset);
  }
}
