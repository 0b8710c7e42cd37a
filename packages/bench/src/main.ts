#!/usr/bin/env node
// Benchmarks as ratios against upstream in the same run. Prints tables; judges nothing.
//   rpc     our gRPC server driver and grpc-js
//   store   three members of our store and of Debian's etcd
import { benchRpc } from "./rpc.js";
import { benchStore } from "./store/table.js";

const parts: Readonly<Record<string, () => Promise<void>>> = { rpc: benchRpc, store: () => benchStore(process.argv.slice(3)) };
const wanted = process.argv[2];
if (wanted !== undefined && parts[wanted] === undefined) {
  process.stderr.write(`unknown benchmark ${JSON.stringify(wanted)}: must be one of ${Object.keys(parts).join(", ")}\n`);
  process.exit(2);
}
for (const [name, run] of Object.entries(parts)) if (wanted === undefined || wanted === name) await run();
