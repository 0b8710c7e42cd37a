import type { MemberID } from "@lenj/raft";
import type { Network } from "../cluster/network.js";

export interface Listener {
  readonly id: MemberID;
  reportGone(id: MemberID): void;
}

/**
 * The others find, each when it dials again, that nobody listens at `id`'s address. `isTrue` false: something on the
 * way says so wrongly, and not to all.
 */
export function spreadNewsOfDeath(network: Network, id: MemberID, others: readonly Listener[], isTrue: boolean): void {
  const { loop } = network;
  for (const other of others) {
    if (other.id === id || (!isTrue && loop.chance(300))) continue;
    loop.after(50 + loop.between(...network.options.delayMs), () => {
      if (!network.isCut(other.id, id)) other.reportGone(id);
    });
  }
}
