// Cluster IPs of services. An IPAddress object named like the address is the allocation: creating it takes the address, deleting it
// gives it back, and the store lets only one creator win, however many api-servers there are.
// Source: pkg/registry/core/service/ipallocator (IPAddress allocator), KEP-1880.
import { isStatusError } from "@lenj/apimachinery";
import type { Random } from "@lenj/base";
import type { networkingv1 } from "@lenj/proto/k8s";
import type { ObjectReader, ObjectWriter } from "../auth/ports.js";
import { formatIP, type IPRange, isUsable, parseIP, staticBand, usableAddresses } from "../core/ip-range.js";

export type AllocationErrorCode = "TAKEN" | "OUT_OF_RANGE" | "FULL";

export class AllocationError extends Error {
  override readonly name = "AllocationError";
  constructor(
    readonly code: AllocationErrorCode,
    message: string,
  ) {
    super(message);
  }
}

export interface AddressOwner {
  readonly namespace: string;
  readonly name: string;
}

const ipAddresses = { group: "networking.k8s.io", resource: "ipaddresses" } as const;
/** Addresses probed from one starting point before another is drawn. */
const probesPerStart = 64;
const startsMax = 1_024;

export class AddressAllocator {
  constructor(
    readonly range: IPRange,
    private readonly tools: { readonly reader: ObjectReader; readonly writer: ObjectWriter; readonly random: Random },
  ) {}

  /** Takes a given address. Throws AllocationError TAKEN, OUT_OF_RANGE. */
  async take(address: string, owner: AddressOwner, dryRun: boolean): Promise<void> {
    const parsed = parseIP(address);
    if (parsed === undefined || parsed.family !== this.range.family || !isUsable(this.range, parsed.value)) {
      throw new AllocationError(
        "OUT_OF_RANGE",
        `the provided network does not match the current range: provided IP is not in the valid range. The range of valid IPs is ${this.range.text}`,
      );
    }
    const name = formatIP(parsed.value, parsed.family);
    if (this.tools.reader.get(ipAddresses, undefined, name) !== undefined || (!dryRun && !(await this.#create(name, owner)))) {
      throw new AllocationError("TAKEN", "provided IP is already allocated");
    }
  }

  /** Takes some free address. Throws AllocationError FULL. */
  async takeAny(owner: AddressOwner, dryRun: boolean): Promise<string> {
    const { first, count } = usableAddresses(this.range);
    const band = staticBand(count);
    for (const [low, length] of [
      [first + band, count - band],
      [first, band],
    ] as const) {
      const found = await this.#search(low, length, { owner, dryRun });
      if (found !== undefined) return found;
    }
    throw new AllocationError("FULL", "range is full");
  }

  async release(address: string): Promise<void> {
    try {
      await this.tools.writer.delete(ipAddresses, undefined, address);
    } catch (error) {
      if (!isStatusError(error, "NotFound")) throw error;
    }
  }

  async #search(low: bigint, length: bigint, about: { owner: AddressOwner; dryRun: boolean }): Promise<string | undefined> {
    const limit = Number(length > 0x7fff_ffffn ? 0x7fff_ffffn : length);
    if (limit <= 0) return undefined;
    let start = this.tools.random.below(limit);
    // A small range is walked through as a whole, a large one from several places.
    const walk = Math.min(limit, probesPerStart * startsMax);
    for (let step = 0; step < walk; step += 1) {
      if (step > 0 && step % probesPerStart === 0 && limit > walk) start = this.tools.random.below(limit);
      const name = formatIP(low + BigInt((start + step) % limit), this.range.family);
      if (this.tools.reader.get(ipAddresses, undefined, name) !== undefined) continue;
      if (about.dryRun || (await this.#create(name, about.owner))) return name;
    }
    return undefined;
  }

  async #create(address: string, owner: AddressOwner): Promise<boolean> {
    try {
      await this.tools.writer.create(ipAddresses, undefined, ipAddressObject(address, this.range.family, owner));
      return true;
    } catch (error) {
      if (isStatusError(error, "AlreadyExists")) return false;
      throw error;
    }
  }
}

function ipAddressObject(address: string, family: string, owner: AddressOwner): networkingv1.IPAddress {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "IPAddress",
    metadata: {
      name: address,
      labels: { "ipaddress.kubernetes.io/ip-family": family, "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io" },
    },
    spec: { parentRef: { group: "", resource: "services", namespace: owner.namespace, name: owner.name } },
  } as networkingv1.IPAddress;
}
