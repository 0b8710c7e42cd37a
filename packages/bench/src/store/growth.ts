// How cost grows with the number of keys: latency, memory, restart.
import { randomInt } from "node:crypto";
import type { EtcdClient } from "@lenj/etcd-client";
import type { BenchCluster } from "./cluster.js";
import type { Figure } from "./figures.js";
import { inParallel, type Load, measure, type Times, timed } from "./load.js";

const value = Buffer.alloc(256, 0x78);
/** As many as etcd takes in one transaction, with some to spare. */
const putsOfTxn = 100;
const loadWidth = 12;
const probeWidth = 8;
const listLength = 1_000;
const smallestKeys = 10_000;

const nameOf = (n: number): Buffer => Buffer.from(`key/${String(n).padStart(9, "0")}`);

interface Probe {
  readonly name: string;
  readonly count: number;
  readonly ask: (client: EtcdClient, keys: number) => Promise<unknown>;
}

/** Each on keys picked at random, at each member in turn. */
const probes: readonly Probe[] = [
  { name: "put", count: 2_000, ask: (client, keys) => client.put({ key: nameOf(randomInt(keys)), value }) },
  { name: "range of one key", count: 2_000, ask: (client, keys) => client.range({ key: nameOf(randomInt(keys)) }) },
  {
    name: `list of ${listLength} keys`,
    count: 200,
    ask: (client, keys) => {
      const first = randomInt(Math.max(1, keys - listLength));
      return client.range({ key: nameOf(first), rangeEnd: nameOf(first + listLength) });
    },
  },
  // Each page of a list says how many keys there are from there on.
  {
    name: `first ${listLength} of all keys`,
    count: 100,
    ask: (client) => client.range({ key: nameOf(0), rangeEnd: Buffer.from("key0"), limit: listLength }),
  },
];

/** From an empty cluster to `keys` keys, with what is asked of it at 10,000 and at the end; then all members stop and start. */
export async function growthFigures(cluster: BenchCluster, keys: number): Promise<Figure[]> {
  const small = Math.min(smallestKeys, keys);
  const clients = cluster.endpoints.map((_, n) => cluster.client(n));
  const figures: Figure[] = [];
  try {
    await grow(clients, 0, small);
    const atFirst = await probeAll(cluster, clients, small);
    figures.push(...latencies(atFirst, small), ...memory(cluster, small));
    const startedMs = performance.now();
    const before = cluster.usage();
    await grow(clients, small, keys);
    const seconds = (performance.now() - startedMs) / 1_000;
    const after = cluster.usage();
    const thousands = (keys - small) / 1_000;
    figures.push(
      { name: `keys loaded in a second, ${putsOfTxn} a txn, to ${keys}`, unit: "/s", value: (keys - small) / seconds, better: "more" },
      {
        name: "server CPU of 1,000 keys loaded",
        unit: "ms",
        value: ((after.cpuSeconds - before.cpuSeconds) * 1e3) / thousands,
        better: "less",
      },
      {
        name: "written for 1,000 keys loaded",
        unit: "KB",
        value: (after.writtenBytes - before.writtenBytes) / 1e3 / thousands,
        better: "less",
      },
    );
    await cluster.untilQuiet();
    const atLast = await probeAll(cluster, clients, keys);
    figures.push(...latencies(atLast, keys), ...memory(cluster, keys));
    for (const [n, { name }] of probes.entries()) {
      const [first, last] = [atFirst[n], atLast[n]] as [Load, Load];
      const growth = (read: (load: Load) => number): number => read(last) / read(first);
      const what = `${name}: ${keys} keys to ${small}`;
      figures.push({ name: `${what}, p50`, unit: "times", value: growth(({ p50Ms }) => p50Ms), better: "less" });
      figures.push({ name: `${what}, server CPU`, unit: "times", value: growth(({ cpuMicros }) => cpuMicros), better: "less" });
    }
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
  return [...figures, ...(await restart(cluster, keys))];
}

async function grow(clients: readonly EtcdClient[], from: number, to: number): Promise<void> {
  await inParallel(Math.ceil((to - from) / putsOfTxn), loadWidth, (n) => {
    const first = from + n * putsOfTxn;
    const success = Array.from({ length: Math.min(putsOfTxn, to - first) }, (_, position) => ({
      request: { $case: "requestPut" as const, value: { key: nameOf(first + position), value } },
    }));
    return (clients[n % clients.length] as EtcdClient).txn({ success }, { timeoutMs: 60_000 });
  });
}

/** Once unmeasured, once measured. */
async function probeAll(cluster: BenchCluster, clients: readonly EtcdClient[], keys: number): Promise<Load[]> {
  const loads: Load[] = [];
  for (const { count, ask } of probes) {
    const run = (): Promise<Times> => timed(count, probeWidth, (n) => ask(clients[n % clients.length] as EtcdClient, keys));
    await run();
    loads.push(await measure(cluster, run));
  }
  return loads;
}

function latencies(loads: readonly Load[], keys: number): Figure[] {
  return probes.flatMap(({ name }, n) => {
    const { p50Ms, cpuMicros } = loads[n] as Load;
    const what = `${name} at ${keys} keys, ${probeWidth} clients`;
    return [
      { name: `${what}, p50`, unit: "ms", value: p50Ms, better: "less" },
      { name: `${what}, server CPU`, unit: "us", value: cpuMicros, better: "less" },
    ] as const;
  });
}

function memory(cluster: BenchCluster, keys: number): Figure[] {
  const { residentBytes, anonymousBytes } = cluster.usage();
  const what = `memory of three members at ${keys} keys`;
  return [
    { name: `${what}, resident`, unit: "MB", value: residentBytes / 1e6, better: "less" },
    { name: `${what}, not mapped from files`, unit: "MB", value: anonymousBytes / 1e6, better: "less" },
  ];
}

async function restart(cluster: BenchCluster, keys: number): Promise<Figure[]> {
  const members = [...cluster.ports.keys()];
  await Promise.all(members.map((n) => cluster.stopMember(n, "SIGTERM")));
  const startedMs = performance.now();
  cluster.startMembers();
  const since = async (event: Promise<unknown>): Promise<number> => {
    await event;
    return performance.now() - startedMs;
  };
  const healthy = members.map((n) => since(cluster.untilHealthy(n)));
  const client = cluster.client();
  const read = since(untilRead(client));
  const times = { first: await Promise.race(healthy), all: Math.max(...(await Promise.all(healthy))), read: await read };
  await client.close();
  const figure = (until: string, value: number): Figure => ({
    name: `restart with ${keys} keys: ${until}`,
    unit: "ms",
    value,
    better: "less",
  });
  return [
    figure("/health is true at one member", times.first),
    figure("/health is true at all", times.all),
    figure("first linearizable read", times.read),
    ...memory(cluster, keys).map((one) => ({ ...one, name: `${one.name}, restarted` })),
  ];
}

async function untilRead(client: EtcdClient): Promise<void> {
  await client.range({ key: nameOf(0) }, { timeoutMs: 180_000 });
}
