// Makes a member's data folder from a snapshot: the way in, from our own backups and from etcd's.
//
// Owns:  `<data-dir>/member.restoring` until it is complete, then renamed to `member`.
// R1. All members of the new cluster that are restored from the same snapshot hold the same state at the same place in the log, so that
//     they form a cluster, of whatever size. Nothing of the old cluster's membership or log carries over.
// R2. `member` exists only complete: a crash leaves `member.restoring`, which the next attempt removes.
// R3. With a bump, the revision is moved on and everything before it is compacted: clients that remember later revisions of the old cluster
//     are told so and read anew, instead of taking what they see for old news.
// Source: etcd etcdutl/snapshot/v3_snapshot.go (Restore).
import { existsSync, readdirSync, rmSync } from "node:fs";
import type { Clock } from "@lenj/base";
import { decodeMain, writeUint64 } from "@lenj/mvcc";
import { MemberRecord } from "@lenj/proto/raft";
import { type InitialMember, parseInitialCluster } from "../config.js";
import { StoreError } from "../core/errors.js";
import { Membership } from "../core/membership.js";
import { makeFolder, renameDurably, syncFolder } from "../drivers/durable-files.js";
import { LevelBackend } from "../drivers/level/level-backend.js";
import { levelFolder } from "../drivers/level/level-folder.js";
import { LevelLog } from "../drivers/level/level-log.js";
import { createIdentity } from "../identity.js";
import { marksOfBucket, type Row, rowFromEtcd, type StateMarks } from "./etcd-schema.js";
import { type ReplayOptions, replayArchive } from "./replay.js";
import { SnapshotFile } from "./snapshot-file.js";

/** The log of a restored cluster goes on after entries that never were, one a member, as if it had just been founded. */
const restoredTerm = 1;

export interface RestoreOptions {
  readonly snapshotPath: string;
  readonly name: string;
  readonly dataDir: string;
  /** `name=URL` pairs. */
  readonly initialCluster: readonly string[];
  readonly initialClusterToken: string;
  readonly initialAdvertisePeerURLs: readonly string[];
  readonly skipHashCheck: boolean;
  /** How far to move the revision past the snapshot's; 0: not, and compact nothing. */
  readonly bumpRevision: number;
  /** Goes on past the snapshot with what an archive holds. */
  readonly replay: ReplayOptions | undefined;
  readonly clock: Clock;
}

export interface RestoreResult {
  readonly revision: number;
  readonly memberID: bigint;
  readonly clusterID: bigint;
}

/** Throws CONFIG_INVALID for options that do not fit, DATA_DAMAGED and BoltError for a snapshot that cannot be used. */
export async function restoreSnapshot(options: RestoreOptions): Promise<RestoreResult> {
  const members = checkedMembers(options);
  const folder = `${options.dataDir}/member`;
  const unfinished = `${folder}.restoring`;
  rmSync(unfinished, { recursive: true, force: true });
  if (existsSync(options.dataDir) && readdirSync(options.dataDir).length > 0)
    throw new StoreError("CONFIG_INVALID", `data-dir ${JSON.stringify(options.dataDir)} not empty or could not be read`);
  const snapshot = await SnapshotFile.open(options.snapshotPath);
  try {
    if (!options.skipHashCheck) await snapshot.checkHash();
    makeFolder(unfinished);
    const revision = await writeState(unfinished, snapshot, members, options);
    await writeLog(unfinished, members);
    const identity = createIdentity(unfinished, { name: options.name, clusterToken: options.initialClusterToken, initialMembers: members });
    syncFolder(unfinished);
    renameDurably(unfinished, folder);
    return { revision, ...identity };
  } finally {
    await snapshot.close();
  }
}

/** Upstream's checks and words: VerifyBootstrap. */
function checkedMembers(options: RestoreOptions): InitialMember[] {
  const refuse = (message: string): StoreError => new StoreError("CONFIG_INVALID", message);
  const members = parseInitialCluster(options.initialCluster, options.initialClusterToken);
  const own = members.find(({ name }) => name === options.name);
  if (own === undefined) throw refuse(`couldn't find local name ${JSON.stringify(options.name)} in the initial cluster configuration`);
  const urls = members.flatMap(({ peerURLs }) => peerURLs);
  if (new Set(urls).size !== urls.length) throw refuse(`initial cluster ${options.initialCluster.join(",")} has duplicate url`);
  const advertised = options.initialAdvertisePeerURLs;
  const unadvertised = own.peerURLs.find((url) => !advertised.includes(url));
  if (unadvertised !== undefined)
    throw refuse(
      `--initial-cluster has ${own.name}=${unadvertised} but missing from --initial-advertise-peer-urls=${advertised.join(",")}`,
    );
  const unlisted = advertised.find((url) => !own.peerURLs.includes(url));
  if (unlisted !== undefined)
    throw refuse(`--initial-advertise-peer-urls has ${unlisted} but missing from --initial-cluster=${options.initialCluster.join(",")}`);
  return members;
}

/** Returns the revision that the restored store stands at. */
async function writeState(
  folder: string,
  snapshot: SnapshotFile,
  members: readonly InitialMember[],
  options: RestoreOptions,
): Promise<number> {
  const backend = await LevelBackend.open(await levelFolder(folder).open("state"), options.clock);
  let failure: Error | undefined;
  backend.onFailure = (error) => {
    failure = error;
  };
  const flush = async (): Promise<void> => {
    await backend.flush();
    if (failure !== undefined) throw new StoreError("DATA_DAMAGED", `Cannot write ${folder}`, { cause: failure });
  };
  try {
    const last = await copyRows(snapshot, backend, flush);
    const marks = marksOfBucket(await metaOf(snapshot));
    let revision = writeMarks(backend, marks, last);
    if (options.replay !== undefined) revision = await replayArchive(backend, marks, options.replay, flush);
    if (options.bumpRevision > 0) {
      revision += options.bumpRevision;
      putCounter(backend, "scheduledCompactRev", revision);
    }
    const membership = new Membership(backend);
    for (const { id, name, peerURLs } of members)
      membership.put(MemberRecord.fromPartial({ id, name, peerUrls: [...peerURLs], clientUrls: [], isLearner: false }));
    backend.setApplied(members.length, restoredTerm);
    await flush();
    return revision;
  } finally {
    await backend.close();
  }
}

/** Everything that carries over, a congested backend at a time. Returns the main revision of the last change. */
async function copyRows(snapshot: SnapshotFile, backend: LevelBackend, flush: () => Promise<void>): Promise<number> {
  let last = 1;
  for await (const { name, bucket } of snapshot.reader.buckets()) {
    const bucketName = name.toString();
    for await (const entries of snapshot.reader.entries(bucket)) {
      for (const { key, value } of entries) {
        const carried = rowFromEtcd(bucketName, [key, value]);
        if (carried === undefined) continue;
        backend.put(carried.table, ...carried.row);
        if (carried.table === "key") last = decodeMain(key);
      }
      if (backend.isCongested) await flush();
    }
  }
  return last;
}

async function metaOf(snapshot: SnapshotFile): Promise<Row[]> {
  const bucket = await snapshot.reader.bucket("meta");
  const rows: Row[] = [];
  if (bucket === undefined) throw new StoreError("DATA_DAMAGED", "Cannot read snapshot: it has no bucket meta");
  for await (const entries of snapshot.reader.entries(bucket)) for (const { key, value } of entries) rows.push([key, value]);
  return rows;
}

/** The compaction marks. Returns the revision, which follows from them and the last change. */
function writeMarks(backend: LevelBackend, marks: StateMarks, lastMain: number): number {
  const scheduled = Math.max(marks.scheduledCompactRevision, marks.finishedCompactRevision);
  if (scheduled >= 0) putCounter(backend, "scheduledCompactRev", scheduled);
  if (marks.finishedCompactRevision >= 0) putCounter(backend, "finishedCompactRev", marks.finishedCompactRevision);
  return Math.max(lastMain, scheduled);
}

function putCounter(backend: LevelBackend, name: string, counter: number): void {
  const value = new Uint8Array(8);
  writeUint64(value, 0, counter);
  backend.put("meta", Buffer.from(name), value);
}

async function writeLog(folder: string, members: readonly InitialMember[]): Promise<void> {
  const { log } = await LevelLog.open(await levelFolder(folder).open("log"));
  try {
    const previous = { index: members.length, term: restoredTerm };
    await log.reset(previous, { term: restoredTerm, vote: 0n, commit: previous.index });
  } finally {
    await log.close();
  }
}
