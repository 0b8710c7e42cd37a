#!/usr/bin/env node
// Benchmarks as ratios against upstream in the same run: our store and Debian's etcd, three members each, same client, in turn.
// With the argument "rpc": the drivers of our gRPC server against each other. Prints one table; judges nothing.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@lenj/base";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { benchRpc } from "./rpc.js";

const storeProgram = fileURLToPath(new URL("../../store/dist/main.js", import.meta.url));
const rounds = 3;
const value = Buffer.alloc(256, 0x78);

interface Contender {
  readonly name: string;
  readonly basePort: number;
  command(member: number, cluster: string, folder: string): readonly [string, readonly string[]];
}

function memberFlags(base: number, n: number, cluster: string, folder: string): string[] {
  const [client, peer] = [`http://127.0.0.1:${base + n}`, `http://127.0.0.1:${base + 10 + n}`];
  return [
    `--name=m${n}`,
    `--data-dir=${folder}/m${n}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${cluster}`,
  ];
}

const contenders: readonly Contender[] = [
  {
    name: "lenj",
    basePort: 19_100,
    command: (n, cluster, folder) => [process.execPath, [storeProgram, ...memberFlags(19_100, n, cluster, folder)]],
  },
  { name: "etcd", basePort: 19_200, command: (n, cluster, folder) => ["etcd", memberFlags(19_200, n, cluster, folder)] },
];

const works: Readonly<Record<string, (client: EtcdClient, round: number) => Promise<number>>> = {
  "put, 1 client": (client, round) => rate(1, 300, (n) => client.put({ key: Buffer.from(`one-${round}-${n}`), value })),
  "put, 64 clients": (client, round) => rate(64, 4_000, (n) => client.put({ key: Buffer.from(`many-${round}-${n}`), value })),
  "linearizable range, 64 clients": (client) => rate(64, 4_000, (n) => client.range({ key: Buffer.from(`many-0-${n}`) })),
};

/** Operations per second with `clients` of them under way. */
async function rate(clients: number, count: number, operation: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < count) await operation(next++);
    }),
  );
  return (count * 1_000) / (performance.now() - startedMs);
}

async function main(): Promise<void> {
  if (spawnSync("etcd", ["--version"]).status !== 0)
    throw new Error("etcd is not installed (Debian package etcd-server): there is nothing to compare with");
  const folder = mkdtempSync(`${tmpdir()}/lenj-bench-`);
  const children: ChildProcess[] = [];
  try {
    const clients = new Map<string, EtcdClient>();
    for (const { name, basePort, command } of contenders) {
      const cluster = [1, 2, 3].map((n) => `m${n}=http://127.0.0.1:${basePort + 10 + n}`).join(",");
      for (const n of [1, 2, 3]) {
        const [program, args] = command(n, cluster, `${folder}/${name}`);
        children.push(spawn(program, args, { stdio: "ignore", detached: true }));
      }
      const client = createEtcdClient({ endpoints: [1, 2, 3].map((n) => `http://127.0.0.1:${basePort + n}`), logger: silentLogger });
      await untilAnswered(client);
      clients.set(name, client);
    }
    console.log(["work".padEnd(32), "lenj /s".padStart(10), "etcd /s".padStart(10), "ratio".padStart(7)].join(" "));
    for (const [work, measure] of Object.entries(works)) {
      const found: Record<string, number[]> = { lenj: [], etcd: [] };
      // In turn, so that a change of the machine's speed meets both.
      for (let round = 0; round < rounds; round++) for (const [name, client] of clients) found[name]?.push(await measure(client, round));
      const [ours, theirs] = [median(found["lenj"] ?? []), median(found["etcd"] ?? [])];
      console.log(
        [work.padEnd(32), ours.toFixed(0).padStart(10), theirs.toFixed(0).padStart(10), (ours / theirs).toFixed(2).padStart(7)].join(" "),
      );
    }
    for (const client of clients.values()) await client.close();
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

async function untilAnswered(client: EtcdClient): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  for (;;) {
    try {
      await client.put({ key: Buffer.from("ready"), value });
      return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

await (process.argv[2] === "rpc" ? benchRpc() : main());
process.exit();
