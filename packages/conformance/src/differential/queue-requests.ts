// Random requests of locks and elections, none of which waits for another.
import type { Random } from "@lenj/base";
import type { v3electionpb } from "@lenj/proto/etcd";
import type { UnaryRequest } from "./methods.js";

const names = ["lock/a", "lock/b", ""].map((text) => Buffer.from(text));
const values = ["", "one", "two"].map((text) => Buffer.from(text));

export class QueueRequests {
  /** The leader that the last campaign made. */
  leader: v3electionpb.LeaderKey | undefined;

  constructor(
    private readonly random: Random,
    private readonly lease: () => bigint,
  ) {}

  next(): UnaryRequest {
    const name = this.random.below(8) === 0 ? this.#pick(names) : this.#pick(names.slice(0, 2));
    // For 0 each server grants a lease of its own.
    const lease = this.lease() || 1n;
    const queue = { prefix: Buffer.concat([name, Buffer.from("/")]), lease };
    switch (this.random.below(6)) {
      case 0:
        return { name: "Lock/Lock", message: { name, lease }, queue };
      case 1:
        return { name: "Lock/Unlock", message: { key: Buffer.concat([name, Buffer.from(`/${lease.toString(16)}`)]) } };
      case 2:
        return { name: "Election/Campaign", message: { name, lease, value: this.#pick(values) }, queue };
      case 3:
        return { name: "Election/Proclaim", message: { leader: this.#leader(name, lease), value: this.#pick(values) } };
      case 4:
        return { name: "Election/Resign", message: { leader: this.#leader(name, lease) } };
      default:
        return { name: "Election/Leader", message: { name } };
    }
  }

  #leader(name: Buffer, lease: bigint): v3electionpb.LeaderKey | undefined {
    if (this.random.below(20) === 0) return undefined;
    if (this.leader !== undefined && this.random.below(3) > 0) return this.leader;
    return { name, key: Buffer.concat([name, Buffer.from(`/${lease.toString(16)}`)]), rev: this.random.below(40), lease };
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)] as T;
  }
}
