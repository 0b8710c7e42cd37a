// Makes allocations agree with the services that use them: after crashes between two writes, or a restored store.
// Source: pkg/registry/core/service/ipallocator/controller/repairip.go, portallocator/controller/repair.go.
import { type Clock, delay, type Logger } from "@lenj/base";
import type { corev1, networkingv1 } from "@lenj/proto/k8s";
import type { ObjectReader } from "../auth/ports.js";
import { formatIP, parseIP } from "../core/ip-range.js";
import { addressesOf, portsOf, type ServiceAllocators } from "./service-extension.js";

const intervalMs = 180_000;
/** An allocation without a service may be one that is just being made. */
const graceMs = 60_000;
/** Rounds that a port must be seen unused before it is given back. */
const leakRounds = 3;

const services = { group: "", resource: "services" } as const;
const ipAddresses = { group: "networking.k8s.io", resource: "ipaddresses" } as const;

export interface RepairOptions {
  readonly reader: ObjectReader;
  readonly allocators: ServiceAllocators;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class AllocationRepair {
  readonly #options: RepairOptions;
  /** Rounds in which a port was taken and no service had it. */
  readonly #unused = new Map<number, number>();

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.repair();
      } catch (error) {
        if (!signal.aborted) this.#options.logger.warn("Cannot repair service allocations", { error });
      }
      await delay(this.#options.clock, intervalMs, signal).catch(() => {
        // Stopped: the loop's condition ends it.
      });
    }
  }

  async repair(): Promise<void> {
    const all = this.#options.reader.list<corev1.Service>(services);
    await this.#repairPorts(new Set(all.flatMap(({ spec }) => portsOf(spec))));
    await this.#repairAddresses(all);
  }

  async #repairPorts(used: ReadonlySet<number>): Promise<void> {
    await this.#options.allocators.ports.change((bitmap) => {
      let isChanged = false;
      for (const port of used) {
        if (bitmap.has(port) || !bitmap.contains(port)) continue;
        bitmap.take(port);
        isChanged = true;
      }
      for (const port of [...bitmap.taken]) {
        if (used.has(port)) {
          this.#unused.delete(port);
          continue;
        }
        const rounds = (this.#unused.get(port) ?? 0) + 1;
        this.#unused.set(port, rounds);
        if (rounds < leakRounds) continue;
        bitmap.release(port);
        this.#unused.delete(port);
        isChanged = true;
      }
      return isChanged;
    });
  }

  async #repairAddresses(all: readonly corev1.Service[]): Promise<void> {
    const { reader, allocators, clock, logger } = this.#options;
    const owners = new Map(all.flatMap((service) => addressesOf(service.spec).map((address) => [canonical(address), service] as const)));
    for (const [address, service] of owners) {
      if (reader.get(ipAddresses, undefined, address) !== undefined) continue;
      const allocator = allocators.addresses.find(({ range }) => range.family === parseIP(address)?.family);
      await allocator
        ?.take(address, { namespace: service.metadata?.namespace ?? "", name: service.metadata?.name ?? "" }, false)
        .catch((error: unknown) => {
          logger.warn("Cannot record the address of a service", {
            service: `${service.metadata?.namespace ?? ""}/${service.metadata?.name ?? ""}`,
            address,
            error,
          });
        });
    }
    for (const { metadata } of reader.list<networkingv1.IPAddress>(ipAddresses)) {
      const name = metadata?.name ?? "";
      if (owners.has(name) || clock.wallMs() - Date.parse(metadata?.creationTimestamp ?? "") < graceMs) continue;
      await allocators.addresses.find(({ range }) => range.family === parseIP(name)?.family)?.release(name);
    }
  }
}

function canonical(address: string): string {
  const parsed = parseIP(address);
  return parsed === undefined ? address : formatIP(parsed.value, parsed.family);
}
