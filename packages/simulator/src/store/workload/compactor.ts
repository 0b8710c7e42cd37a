import { etcdserverpb } from "@lenj/proto/etcd";
import type { KvClient } from "./kv-client.js";

/** Compacts now and then, close behind what is newest, sometimes exactly where something was deleted. */
export function compactRegularly(client: KvClient, everyMs: number, isOver: () => boolean): void {
  const { loop, told, cluster } = client.session;
  loop.after(loop.between(everyMs / 2, everyMs * 1.5), () => {
    if (isOver()) return;
    const revision = Math.max(1, told.revision - loop.random.below(loop.pick([1, 4, 30])));
    const value = etcdserverpb.CompactionRequest.fromPartial({ revision, physical: loop.chance(300) });
    client.call(loop.pick(cluster.running()), { kind: "compact", value }, () => compactRegularly(client, everyMs, isOver));
  });
}
