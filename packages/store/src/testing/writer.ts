// A client that writes, and what must be there of it whatever happened.
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { eventually, type StoreCluster } from "./store-process.js";

/**
 * Writes one after the other. What was acknowledged is known by its revision, not by its value: a write that timed out may take effect
 * after later ones, and is the newest then.
 */
export class Writer {
  /** Newest revision that was acknowledged: a lower bound for every read that begins afterwards. */
  revision = 0;
  readonly acknowledged: string[] = [];
  #count = 0;

  /** `valueBytes`: of each value. */
  constructor(
    private readonly client: EtcdClient,
    private readonly valueBytes = 1,
  ) {}

  /** Until `count` writes in all are acknowledged. */
  async until(count: number): Promise<void> {
    while (this.acknowledged.length < count) await this.once();
  }

  async once(): Promise<void> {
    this.#count += 1;
    const name = `w/${this.#count}`;
    try {
      const { header } = await this.client.put({ key: Buffer.from(name), value: Buffer.alloc(this.valueBytes, "v") });
      this.acknowledged.push(name);
      this.revision = Math.max(this.revision, header?.revision ?? 0);
    } catch {
      // The outcome is unknown.
    }
  }
}

/** All members come to hold the same, and all that was acknowledged. Throws otherwise. */
export async function expectAllEverywhere(cluster: StoreCluster, writer: Pick<Writer, "acknowledged">): Promise<void> {
  await eventually(() => {
    const hashes = cluster.endpoints.map(
      (endpoint) => /"Hash" : (\d+)/.exec(cluster.etcdctl(["endpoint", "hashkv", "-w", "fields"], { endpoints: [endpoint] }).stdout)?.[1],
    );
    return Promise.resolve(hashes.every((hash) => hash !== undefined && hash === hashes[0]) ? true : undefined);
  }, 60_000);
  const client = createEtcdClient({ endpoints: cluster.endpoints, callTimeoutMs: 5_000 });
  try {
    const request = { key: Buffer.from("w/"), rangeEnd: Buffer.from("w0"), keysOnly: true };
    const { kvs } = await eventually(() => client.range(request));
    const stored = new Set(kvs.map((kv) => kv.key.toString()));
    const lost = writer.acknowledged.filter((name) => !stored.has(name));
    if (lost.length > 0)
      throw new Error(`${lost.length} of ${writer.acknowledged.length} acknowledged writes are lost: ${lost.slice(0, 10)}`);
  } finally {
    await client.close();
  }
}
