// 1,000 leases at once: granted, kept alive over ten clients' streams, revoked.
import type { EtcdClient } from "@lenj/etcd-client";
import type { BenchCluster } from "./cluster.js";
import { measure, timed } from "./load.js";
import type { Work } from "./works.js";

const leaseCount = 1_000;
const clientCount = 10;
const width = 64;
const keepAliveRounds = 5;
const ttlSeconds = 3_600;

type Held = { readonly clients: readonly EtcdClient[]; readonly ids: readonly bigint[] };

/** Each row makes leases of its own, outside of what is measured. */
export function leaseWorks(): Work[] {
  return [
    {
      name: "1,000 leases: grant",
      operations: leaseCount,
      measure: (cluster, count) =>
        withClients(cluster, async (clients) => {
          const ids: bigint[] = [];
          const load = await measure(cluster, () => timed(count, width, async (n) => ids.push(await grant(clients, n))));
          await timed(count, width, (n) => revoke({ clients, ids }, n));
          return load;
        }),
    },
    {
      name: "1,000 leases: keep alive",
      operations: leaseCount * keepAliveRounds,
      measure: (cluster, count) =>
        withLeases(cluster, leaseCount, ({ clients, ids }) =>
          measure(cluster, () => timed(count, width, (n) => renew({ clients, ids }, n % leaseCount))),
        ),
    },
    {
      name: "1,000 leases: revoke",
      operations: leaseCount,
      measure: (cluster, count) =>
        withLeases(cluster, count, (held) => measure(cluster, () => timed(count, width, (n) => revoke(held, n))), true),
    },
  ];
}

async function withClients<T>(cluster: BenchCluster, run: (clients: readonly EtcdClient[]) => Promise<T>): Promise<T> {
  const clients = Array.from({ length: clientCount }, (_, n) => cluster.client(n));
  try {
    return await run(clients);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

function withLeases<T>(cluster: BenchCluster, count: number, run: (held: Held) => Promise<T>, areRevoked = false): Promise<T> {
  return withClients(cluster, async (clients) => {
    const ids: bigint[] = [];
    await timed(count, width, async (n) => {
      ids[n] = await grant(clients, n);
    });
    const result = await run({ clients, ids });
    if (!areRevoked) await timed(count, width, (n) => revoke({ clients, ids }, n));
    return result;
  });
}

const clientFor = (clients: readonly EtcdClient[], n: number): EtcdClient => clients[n % clients.length] as EtcdClient;

async function grant(clients: readonly EtcdClient[], n: number): Promise<bigint> {
  return (await clientFor(clients, n).leaseGrant({ TTL: ttlSeconds })).ID;
}

async function renew({ clients, ids }: Held, n: number): Promise<void> {
  const { TTL } = await clientFor(clients, n).leaseKeepAlive({ ID: ids[n] as bigint });
  if (TTL <= 0) throw new Error("a lease that was kept alive is gone");
}

function revoke({ clients, ids }: Held, n: number): Promise<unknown> {
  return clientFor(clients, n).leaseRevoke({ ID: ids[n] as bigint });
}
