// `lenj-store snapshot …` and `lenj-store restore`: what etcdctl and etcdutl do with snapshots, with their flags. The other commands have
// files of their own.
import { SystemClock } from "@lenj/base";
import { Command, InvalidArgumentError, Option } from "commander";
import { restoreSnapshot } from "../backup/restore.js";
import { SnapshotFile } from "../backup/snapshot-file.js";
import { type AccessFlags, readAccess } from "../drivers/endpoint-channel.js";
import { downloadSnapshot } from "../drivers/snapshot-download.js";
import { addEndpointCommands } from "./endpoint-command.js";
import { addMemberCommands } from "./member-command.js";
import { parseList } from "./parse-list.js";
import { formatStatus, type OutputForm, outputForms } from "./print-status.js";

interface SaveFlags extends AccessFlags {
  readonly endpoints: string[];
}

interface RestoreFlags {
  readonly name: string;
  readonly dataDir?: string;
  readonly initialCluster?: string[];
  readonly initialClusterToken: string;
  readonly initialAdvertisePeerUrls: string[];
  readonly skipHashCheck: boolean;
  readonly bumpRevision: number;
  readonly markCompacted: boolean;
  readonly archiveDir?: string;
  readonly toRevision?: number;
  readonly toTime?: number;
}

/** Whether a command line is one of these rather than the flags of a member. */
export const isStoreCommand = (first: string | undefined): boolean => first !== undefined && !first.startsWith("-");

/** Runs it; returns the exit code. */
export async function runStoreCommand(argv: readonly string[], signal: AbortSignal): Promise<number> {
  try {
    await createProgram(signal).parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function createProgram(signal: AbortSignal): Command {
  const program = new Command("lenj-store")
    .description(
      "Snapshots of a store and of etcd, how endpoints are, and members of a cluster. Without a command: runs a member (`lenj-store --help` shows its flags).",
    )
    .showHelpAfterError();
  const snapshot = program.command("snapshot").description("save, examine and restore snapshots");
  snapshot
    .command("save <filename>")
    .description("store a snapshot of a running member, ours or etcd's, in a file")
    .option("--endpoints <list>", "the member to ask", parseList, ["127.0.0.1:2379"])
    .option("--cacert <file>", "authority of the server's certificate")
    .option("--cert <file>", "certificate to show")
    .option("--key <file>", "key of that certificate")
    .option("--user <name:password>", "whom to authenticate as")
    .action((filename: string, flags: SaveFlags) => save(filename, flags, signal));
  snapshot
    .command("status <filename>")
    .description("show hash, revision, number of keys and size, after checking that the file is whole")
    .addOption(new Option("-w, --write-out <form>", "form of the output").choices(outputForms).default("simple"))
    .action(status);
  for (const parent of [snapshot, program]) {
    parent
      .command("restore <filename>")
      .description("make the data folder of a member of a new cluster from a snapshot")
      .option("--name <name>", "this member's name", "default")
      .option("--data-dir <folder>", "folder to make; default: <name>.etcd")
      .option("--initial-cluster <list>", "members of the new cluster: name=peer URL, ...", parseList)
      .option("--initial-cluster-token <token>", "keeps clusters on the same addresses apart", "etcd-cluster")
      .option("--initial-advertise-peer-urls <list>", "this member's peer URLs", parseList, ["http://localhost:2380"])
      .option("--skip-hash-check", "take a file without hash, such as one copied from a data folder", false)
      .option("--bump-revision <number>", "how far to move the revision past the snapshot's", parseCount, 0)
      .option("--mark-compacted", "compact everything before the new revision (required with --bump-revision)", false)
      .option("--archive-dir <folder>", "go on past the snapshot with the log that a member archived there")
      .option("--to-revision <number>", "stop at this revision", parseCount)
      .option("--to-time <time>", "stop at this time, such as 2024-05-01T10:00:00Z", parseTime)
      .action(restore);
  }
  addEndpointCommands(program);
  addMemberCommands(program, signal);
  return program;
}

async function save(filename: string, flags: SaveFlags, signal: AbortSignal): Promise<void> {
  const [endpoint] = flags.endpoints;
  if (endpoint === undefined || flags.endpoints.length > 1)
    throw new Error(`snapshot must be requested to one selected node, not multiple [${flags.endpoints.join(" ")}]`);
  const version = await downloadSnapshot({ endpoint, path: filename, ...readAccess(flags), signal });
  process.stdout.write(`Snapshot saved at ${filename}\n${version === "" ? "" : `Server version ${version}\n`}`);
}

async function status(filename: string, flags: { readonly writeOut: OutputForm }): Promise<void> {
  const snapshot = await SnapshotFile.open(filename);
  try {
    process.stdout.write(`${formatStatus(await snapshot.status(), flags.writeOut)}\n`);
  } finally {
    await snapshot.close();
  }
}

async function restore(filename: string, flags: RestoreFlags): Promise<void> {
  if (flags.bumpRevision > 0 !== flags.markCompacted) throw new Error("--mark-compacted required if --revision-bump > 0");
  const { archiveDir, toRevision, toTime: toWallMs } = flags;
  if (archiveDir === undefined && (toRevision !== undefined || toWallMs !== undefined))
    throw new Error("--to-revision and --to-time need --archive-dir");
  const dataDir = flags.dataDir ?? `${flags.name}.etcd`;
  const { revision, memberID, clusterID } = await restoreSnapshot({
    snapshotPath: filename,
    name: flags.name,
    dataDir,
    initialCluster: flags.initialCluster ?? [`${flags.name}=http://localhost:2380`],
    initialClusterToken: flags.initialClusterToken,
    initialAdvertisePeerURLs: flags.initialAdvertisePeerUrls,
    skipHashCheck: flags.skipHashCheck,
    bumpRevision: flags.bumpRevision,
    replay: archiveDir === undefined ? undefined : { archiveDir, toRevision, toWallMs },
    clock: new SystemClock(),
  });
  process.stdout.write(
    `Restored ${dataDir}: member ${memberID.toString(16)} of cluster ${clusterID.toString(16)}, at revision ${revision}\n`,
  );
}

function parseCount(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) throw new InvalidArgumentError("Must be a whole number.");
  return Number(text);
}

function parseTime(text: string): number {
  const wallMs = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(wallMs)) throw new InvalidArgumentError("Must be a time such as 2024-05-01T10:00:00Z.");
  return wallMs;
}
