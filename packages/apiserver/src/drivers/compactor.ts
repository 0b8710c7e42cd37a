// Forgets old revisions of the store: every interval what was current one interval ago.
//
// All api-servers of a cluster run this; the one that wins the transaction on the lock key compacts.
// C1. Nothing younger than one interval is ever compacted, whichever api-server does it.
// Source: k8s.io/apiserver pkg/storage/etcd3/compact.go.
import { type Clock, delay, type Logger } from "@lenj/base";
import type { EtcdClient } from "@lenj/etcd-client";

const lockKey = Buffer.from("compact_rev_key");

export interface CompactorOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
}

/** Runs until aborted. A failed attempt is repeated at the next interval. */
export async function runCompactor({ client, clock, logger, intervalMs }: CompactorOptions, signal: AbortSignal): Promise<void> {
  let version = 0;
  let revision = 0;
  while (!signal.aborted) {
    try {
      await delay(clock, intervalMs, signal);
      const step = await takeTurn(client, { version, revision });
      if (step.isMine && revision > 0) {
        await client.compact({ revision });
        logger.debug("Compacted the store", { revision });
      }
      ({ version, revision } = step);
    } catch (error) {
      if (!signal.aborted) logger.warn("Cannot compact the store", { error });
    }
  }
}

/** Writes the revision that is to be compacted next time, if nobody did so since `version`. */
async function takeTurn(
  client: EtcdClient,
  last: { version: number; revision: number },
): Promise<{ isMine: boolean; version: number; revision: number }> {
  const response = await client.txn({
    compare: [{ result: 0, target: 0, key: lockKey, targetUnion: { $case: "version", value: BigInt(last.version) } }],
    success: [{ request: { $case: "requestPut", value: { key: lockKey, value: Buffer.from(String(last.revision)) } } }],
    failure: [{ request: { $case: "requestRange", value: { key: lockKey } } }],
  });
  const revision = response.header?.revision ?? 0;
  if (response.succeeded) return { isMine: true, version: last.version + 1, revision };
  const first = response.responses[0]?.response;
  const present = first?.$case === "responseRange" ? first.value.kvs[0]?.version : undefined;
  return { isMine: false, version: Number(present ?? 0), revision };
}
