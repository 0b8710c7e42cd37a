// How long no write succeeds: after the leader was killed, and while leadership is handed over.
import { setTimeout as sleep } from "node:timers/promises";
import type { EtcdClient } from "@lenj/etcd-client";
import type { BenchCluster } from "./cluster.js";
import { type Figure, spread } from "./figures.js";

const value = Buffer.alloc(256, 0x78);
const writeMsMax = 2_000;
/** A write that a dying leader took with it hangs until its time is up, so each member gets the next one without regard to the last. */
const writeEveryMs = 10;
/** Writes go on this long around a hand-over. */
const aroundMs = 1_000;
const recoveryMsMax = 60_000;

interface Write {
  readonly startedMs: number;
  readonly endedMs: number;
}

/** Each kill is of whoever leads by then, and the next comes when that member is back and well. */
export async function killFigures(cluster: BenchCluster, kills: number): Promise<Figure[]> {
  const times: number[] = [];
  for (let n = 0; n < kills; n += 1) {
    const writers = new Writers(cluster);
    await writers.untilWrite(performance.now());
    const leader = await cluster.leader();
    const killedMs = performance.now();
    const gone = cluster.stopMember(leader, "SIGKILL");
    times.push((await writers.untilWrite(killedMs)).endedMs - killedMs);
    await writers.close();
    await gone;
    cluster.startMember(leader);
    await cluster.untilHealthy(leader);
    await cluster.untilQuiet();
  }
  return spread("writes again after kill -9 of the leader", times);
}

export async function handOverFigures(cluster: BenchCluster, times: number): Promise<Figure[]> {
  const calls: number[] = [];
  const firsts: number[] = [];
  const gaps: number[] = [];
  let failures = 0;
  for (let n = 0; n < times; n += 1) {
    const leader = await cluster.leader();
    const [client, heir] = [cluster.clientOf(leader), cluster.clientOf((leader + 1) % cluster.ports.length)];
    const targetID = (await heir.status()).header?.memberId ?? 0n;
    const writers = new Writers(cluster);
    await sleep(aroundMs);
    const askedMs = performance.now();
    await client.moveLeader({ targetID });
    const movedMs = performance.now();
    calls.push(movedMs - askedMs);
    firsts.push((await writers.untilWrite(movedMs)).endedMs - askedMs);
    await sleep(aroundMs);
    await writers.close();
    gaps.push(writers.longestGapMs());
    failures += writers.failures;
    await Promise.all([client.close(), heir.close()]);
  }
  return [
    ...spread("hand-over of leadership: the call", calls),
    ...spread("hand-over: from the call to a write begun after it", firsts),
    ...spread("hand-over: longest time without a write done", gaps),
    { name: `hand-over: writes that failed, in ${times}`, unit: "", value: failures, better: "less" },
  ];
}

/** At each member one client that begins a write every few milliseconds. */
class Writers {
  readonly #writes: Write[] = [];
  readonly #clients: EtcdClient[];
  readonly #running: Promise<void>[];
  #isOver = false;
  #onWrite: () => void = () => {};
  failures = 0;

  constructor(cluster: BenchCluster) {
    this.#clients = [...cluster.ports.keys()].map((n) => cluster.clientOf(n));
    this.#running = this.#clients.map((client, n) => this.#write(client, Buffer.from(`writer-${n}`)));
  }

  /** The first write that began at or after this time, once it is done. */
  async untilWrite(sinceMs: number): Promise<Write> {
    const deadlineMs = sinceMs + recoveryMsMax;
    for (;;) {
      const write = this.#writes.find(({ startedMs }) => startedMs >= sinceMs);
      if (write !== undefined) return write;
      if (performance.now() > deadlineMs) throw new Error(`no write succeeded for ${recoveryMsMax} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, writeMsMax);
        this.#onWrite = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Between the ends of two writes, whoever's. */
  longestGapMs(): number {
    let longest = 0;
    for (const [n, { endedMs }] of this.#writes.entries()) longest = Math.max(longest, endedMs - (this.#writes[n - 1]?.endedMs ?? endedMs));
    return longest;
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  async #write(client: EtcdClient, key: Buffer): Promise<void> {
    const underWay = new Set<Promise<void>>();
    while (!this.#isOver) {
      const write = this.#writeOnce(client, key).finally(() => underWay.delete(write));
      underWay.add(write);
      await sleep(writeEveryMs);
    }
    await Promise.all(underWay);
  }

  async #writeOnce(client: EtcdClient, key: Buffer): Promise<void> {
    const startedMs = performance.now();
    try {
      await client.put({ key, value }, { timeoutMs: writeMsMax });
      this.#writes.push({ startedMs, endedMs: performance.now() });
      this.#onWrite();
    } catch {
      this.failures += 1;
    }
  }
}
