// Node ports of services: one bitmap in the store, changed only from the state that was read.
// Source: pkg/registry/core/service/portallocator, pkg/registry/core/service/allocator/storage.

import type { KubernetesObject } from "@lenj/apimachinery";
import type { Random } from "@lenj/base";
import type { ObjectCodec } from "../core/codec.js";
import { PortBitmap, type PortRange } from "../core/port-bitmap.js";
import type { ObjectStorage, StoredRecord } from "../core/storage.js";
import { AllocationError } from "./address-allocator.js";

const rangeAllocation = { group: "", version: "v1", kind: "RangeAllocation" } as const;

type RangeAllocation = KubernetesObject & { range?: string; data?: string };

export class PortAllocator {
  readonly #key: string;

  constructor(
    readonly range: PortRange,
    private readonly tools: {
      readonly storage: ObjectStorage;
      readonly codec: ObjectCodec;
      readonly random: Random;
      readonly keyRoot: string;
    },
  ) {
    this.#key = `${tools.keyRoot}ranges/servicenodeports`;
  }

  /** Throws AllocationError OUT_OF_RANGE, TAKEN with the port in question. */
  async take(ports: readonly number[], dryRun: boolean): Promise<void> {
    await this.change((bitmap) => {
      for (const port of ports) {
        if (!bitmap.contains(port))
          throw new AllocationError(
            "OUT_OF_RANGE",
            `provided port is not in the valid range. The range of valid ports is ${this.range.first}-${this.range.last}`,
          );
        if (bitmap.has(port)) throw new AllocationError("TAKEN", "provided port is already allocated");
        bitmap.take(port);
      }
      return !dryRun;
    });
  }

  /** Takes some free port. Throws AllocationError FULL. */
  async takeAny(dryRun: boolean): Promise<number> {
    let chosen = 0;
    await this.change((bitmap) => {
      const port = bitmap.findFree((limit) => this.tools.random.below(limit));
      if (port === undefined) throw new AllocationError("FULL", "range is full");
      bitmap.take(port);
      chosen = port;
      return !dryRun;
    });
    return chosen;
  }

  async release(ports: readonly number[]): Promise<void> {
    await this.change((bitmap) => {
      const held = ports.filter((port) => bitmap.has(port));
      for (const port of held) bitmap.release(port);
      return held.length > 0;
    });
  }

  /** Runs `edit` on the stored bitmap until its result could be stored; `edit` says whether there is something to store. */
  async change(edit: (bitmap: PortBitmap) => boolean): Promise<void> {
    const { storage } = this.tools;
    let { record } = await storage.get(this.#key);
    for (;;) {
      const bitmap = this.#decode(record);
      if (!edit(bitmap)) return;
      const value = this.#encode(bitmap);
      const outcome =
        record === undefined ? await storage.create(this.#key, value) : await storage.replace(this.#key, value, record.revision);
      if (outcome.done) return;
      record = outcome.current;
    }
  }

  #decode(record: StoredRecord | undefined): PortBitmap {
    if (record === undefined) return new PortBitmap(this.range);
    const allocation = this.tools.codec.decodeStored(record.value) as RangeAllocation;
    // A bitmap of another range tells nothing about this one: the repair fills it from the services.
    if (allocation.range !== `${this.range.first}-${this.range.last}`) return new PortBitmap(this.range);
    return PortBitmap.decode(this.range, Buffer.from(allocation.data ?? "", "base64"));
  }

  #encode(bitmap: PortBitmap): Uint8Array {
    const allocation = {
      metadata: {},
      range: `${this.range.first}-${this.range.last}`,
      data: Buffer.from(bitmap.encode()).toString("base64"),
    };
    return this.tools.codec.encodeStored(allocation as KubernetesObject, rangeAllocation);
  }
}
