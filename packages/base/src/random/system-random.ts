import { randomBytes, randomInt } from "node:crypto";
import type { Random } from "./random.js";

/** The machine's entropy. */
export class SystemRandom implements Random {
  next(): number {
    return randomInt(0, 2 ** 47) / 2 ** 47;
  }

  below(limit: number): number {
    return randomInt(limit);
  }

  bytes(count: number): Uint8Array {
    return randomBytes(count);
  }
}
