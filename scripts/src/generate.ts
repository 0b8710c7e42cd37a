// Generates packages/proto/src/gen from /proto: buf and ts-proto for the wires, our own emitters for the Kubernetes types.
// A stamp over all inputs makes an unchanged run a no-op.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { emitTable } from "./k8s/emit-table.js";
import { emitTypes } from "./k8s/emit-types.js";
import { readModel } from "./k8s/model.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const gen = join(root, "packages/proto/src/gen");

/** Each part is generated when its own inputs changed, so that a change to one protocol does not rewrite the others. */
const parts = [
  {
    name: "wire",
    inputs: ["proto/etcd", "proto/raft", "proto/cri", "proto/lenj", "buf.yaml", "buf.gen.yaml", "scripts/dist/generate.js"],
    run: generateWire,
  },
  { name: "k8s", inputs: ["proto/k8s", "buf.yaml", "scripts/dist"], run: generateKubernetes },
];

for (const part of parts) {
  const stampPath = join(gen, `${part.name}.stamp`);
  const stamp = hashInputs(part.inputs);
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) continue;
  part.run(join(gen, part.name));
  writeFileSync(stampPath, stamp);
}

function generateWire(target: string): void {
  rmSync(target, { recursive: true, force: true });
  buf(["generate"]);
  // What the JSON gateway needs to know of etcd's messages.
  const image = buf(["build", "--path", "proto/etcd", "--as-file-descriptor-set", "--exclude-source-info", "-o", "-#format=binpb"]);
  writeFileSync(join(target, "etcd-descriptors.ts"), `export const etcdDescriptorSet =\n  "${image.toString("base64")}";\n`);
}

function generateKubernetes(target: string): void {
  const image = buf(["build", "--path", "proto/k8s", "-o", "-#format=binpb"]);
  const packages = readModel(image);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const { path, text } of [...emitTypes(packages), ...emitTable(packages)]) writeFileSync(join(target, path), text);
}

/** Runs buf at the root and returns what it printed; exits with its status when it fails. */
function buf(args: string[]): Buffer {
  const result = spawnSync("buf", args, {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 64 << 20,
    env: { ...process.env, PATH: `${root}node_modules/.bin:${process.env["PATH"] ?? ""}` },
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result.stdout;
}

function hashInputs(inputs: readonly string[]): string {
  const hash = createHash("sha256");
  for (const path of inputs.flatMap((input) => listFiles(join(root, input))).sort()) {
    hash.update(path.slice(root.length)).update("\0").update(readFileSync(path)).update("\0");
  }
  return hash.digest("hex");
}

function listFiles(path: string): string[] {
  if (!existsSync(path)) return [];
  if (/\.[a-z]+$/.test(path)) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".tsbuildinfo"))
    .map((entry) => join(entry.parentPath, entry.name));
}
