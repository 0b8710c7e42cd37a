import { createEtcdClient } from "@lenj/etcd-client";
import type { StoreCluster } from "./store-process.js";

const askMs = 500;

/** The member, among `names`, that says it leads; undefined while none does. */
export async function leaderName(cluster: StoreCluster, names?: readonly string[]): Promise<string | undefined> {
  for (const { name, clientURL } of cluster.addresses) {
    if (names?.includes(name) === false) continue;
    const client = createEtcdClient({ endpoints: [clientURL], callTimeoutMs: askMs });
    try {
      const status = await client.status();
      if (status.leader !== 0n && status.leader === status.header?.memberId) return name;
    } catch {
      // Not up.
    } finally {
      await client.close();
    }
  }
  return undefined;
}
