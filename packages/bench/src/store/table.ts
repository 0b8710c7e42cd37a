// `npm run bench:store`: our store and etcd in turn, a ratio a row.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { boolFlag, intFlag, listFlag, parseFlags } from "@lenj/component-base";
import { type Certificates, createCertificates } from "./certificates.js";
import { BenchCluster } from "./cluster.js";
import { type Contest, type Part, type PartName, parts, type Settings } from "./parts.js";
import { printHead } from "./print.js";
import { fillForWorks } from "./works.js";

const million = 1_000_000;
const names = Object.keys(parts) as PartName[];
const part = (name: PartName): Part => parts[name];
const extras = names.filter((name) => part(name).isExtra === true);

const flags = {
  only: listFlag(`Parts to run, of ${names.join(", ")}; without it all but ${extras.join(", ")}`),
  tls: boolFlag("TLS towards clients and between members, with the same certificates on both sides"),
  requests: intFlag("Requests of a row with 64 clients, each time", 6_000),
  "warm-up": intFlag("Operations of a row before it is measured, at least: of each side alike", 5_000),
  rounds: intFlag("Times that each row is measured, in turn", 3),
  watchers: intFlag("Watchers of one key", 1_000),
  kills: intFlag("Times that the leader is killed, and asked to hand over", 5),
  keys: intFlag("Keys to grow to from 10,000", 100_000),
  million: boolFlag("Grow to a million keys"),
  "check-perf": boolFlag("Also run etcdctl's check perf at s, m and l, a minute each on each side"),
} as const;

const programs = { etcd: "etcd-server", etcdctl: "etcd-client", h2load: "nghttp2-client", setsid: "util-linux" } as const;

export async function benchStore(argv: readonly string[]): Promise<void> {
  const { values, problems: mistakes } = parseFlags(flags, argv);
  const wanted = wantedParts(values.only, values.checkPerf);
  const unknown = wanted.filter((name) => !names.includes(name as PartName));
  const problems = [...mistakes, ...unknown.map((name) => `--only: ${name} must be one of ${names.join(", ")}`)];
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) process.exit(2);
  for (const [program, debianPackage] of Object.entries(programs))
    if (spawnSync(program, ["--version"]).error !== undefined)
      throw new Error(`${program} is not installed (Debian package ${debianPackage})`);
  const settings: Settings = { ...values, keys: values.million ? million : values.keys };
  const folder = mkdtempSync(`${tmpdir()}/lenj-bench-`);
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  // Members are in sessions of their own: nobody else would end them.
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      // Its failure leaves nothing to be done but to go.
      void BenchCluster.closeAll().finally(() => {
        removeFolder();
        process.exit(1);
      });
    });
  try {
    const certificates = values.tls ? await createCertificates(folder) : undefined;
    printHead(about(settings, values.tls));
    const run = async (these: readonly string[], isFilled: boolean): Promise<void> => {
      if (these.length > 0) await withClusters({ folder, certificates, isFilled }, (both) => runParts(these, { ...both, settings }));
    };
    const isAlone = (name: string): boolean => part(name as PartName).isAlone === true;
    await run(
      wanted.filter((name) => !isAlone(name)),
      true,
    );
    for (const name of wanted.filter(isAlone)) await run([name], false);
  } finally {
    removeFolder();
  }
}

/** In the order of the parts, whatever the order they were asked for in. */
function wantedParts(only: readonly string[], hasCheckPerf: boolean): string[] {
  const usual = only.length > 0 ? only : names.filter((name) => !extras.includes(name));
  const all = new Set([...usual, ...(hasCheckPerf ? ["check-perf"] : [])]);
  return [...names.filter((name) => all.delete(name)), ...all];
}

function about({ requests, warmUp, rounds }: Settings, isTLS: boolean): string[] {
  const version = /^etcd Version: (.*)$/m.exec(spawnSync("etcd", ["--version"], { encoding: "utf8" }).stdout)?.[1];
  return [
    `Three members of our store and of etcd ${version}, ${isTLS ? "TLS towards clients and between members" : "plain HTTP/2"}, fsync on, one machine.`,
    `Requests are spread over all three members, followers included; one client asks the members one after the other.`,
    `Each row: ${warmUp} operations or more, with watchers fewer, unmeasured on both (ours is compiled as it runs), then ${rounds} times in turn; ${requests} requests at 64 clients.`,
  ];
}

async function runParts(these: readonly string[], contest: Contest): Promise<void> {
  for (const name of these) await part(name as PartName).run(contest);
}

interface ClustersOptions {
  readonly folder: string;
  readonly certificates: Certificates | undefined;
  readonly isFilled: boolean;
}

async function withClusters(
  { folder, certificates, isFilled }: ClustersOptions,
  run: (clusters: { readonly lenj: BenchCluster; readonly etcd: BenchCluster }) => Promise<void>,
): Promise<void> {
  const clusters: BenchCluster[] = [];
  const dataFolder = mkdtempSync(`${folder}/data-`);
  try {
    for (const name of ["lenj", "etcd"] as const)
      clusters.push(await BenchCluster.start({ name, folder: `${dataFolder}/${name}`, certificates }));
    const [lenj, etcd] = clusters as [BenchCluster, BenchCluster];
    if (isFilled) for (const cluster of clusters) await fillForWorks(cluster);
    await run({ lenj, etcd });
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.close()));
    rmSync(dataFolder, { recursive: true, force: true });
  }
}
