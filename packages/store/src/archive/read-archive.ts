// Reads an archive from an entry on. What is missing is an error that says so; what a crash left unfinished at the end is not there.
import { readdir, readFile } from "node:fs/promises";
import { StoreError } from "../core/errors.js";
import { segmentNames } from "./log-archive.js";
import { type ArchivedEntry, decodeRecords, decodeSegmentHeader, firstIndexOf } from "./segment-codec.js";

/** The folder of segments that `archiveDir` names: itself, or the only one in it. Throws CONFIG_INVALID. */
export async function archiveFolder(archiveDir: string): Promise<string> {
  if ((await segmentNames(archiveDir)).length > 0) return archiveDir;
  const folders: string[] = [];
  for (const entry of await readdir(archiveDir, { withFileTypes: true }))
    if (entry.isDirectory() && (await segmentNames(`${archiveDir}/${entry.name}`)).length > 0) folders.push(entry.name);
  const [only] = folders;
  if (only === undefined) throw new StoreError("CONFIG_INVALID", `Cannot use ${archiveDir}: it holds no archive`);
  if (folders.length > 1)
    throw new StoreError("CONFIG_INVALID", `Cannot choose: ${archiveDir} holds ${folders.join(", ")}; name one of these folders`);
  return `${archiveDir}/${only}`;
}

/**
 * Entries after `afterIndex`, one segment in memory at a time. The entry at `afterIndex` itself comes first when the archive has it.
 * Throws DATA_DAMAGED for a gap, a damaged record, segments of different clusters.
 */
export async function* readArchive(folder: string, afterIndex: number): AsyncGenerator<ArchivedEntry, void, undefined> {
  const names = await segmentNames(folder);
  let clusterID: bigint | undefined;
  let next: number | undefined;
  for (const [position, name] of names.entries()) {
    const following = firstIndexOf(names[position + 1] ?? "");
    if (following !== undefined && following <= afterIndex) continue;
    const bytes = await readFile(`${folder}/${name}`);
    const header = decodeSegmentHeader(bytes, name);
    if (header === undefined) continue;
    if (header.firstIndex !== firstIndexOf(name))
      throw new StoreError("DATA_DAMAGED", `Cannot use archive ${folder}: ${name} begins with entry ${header.firstIndex} by its header`);
    clusterID ??= header.clusterID;
    if (header.clusterID !== clusterID) throw new StoreError("DATA_DAMAGED", `Cannot use archive ${folder}: ${name} is of another cluster`);
    for (const entry of decodeRecords(bytes, name).entries) {
      if (entry.index < (next ?? afterIndex)) continue;
      if (entry.index > (next ?? afterIndex + 1)) throw gap(folder, next ?? afterIndex + 1, entry.index - 1);
      next = entry.index + 1;
      yield entry;
    }
  }
}

function gap(folder: string, first: number, last: number): StoreError {
  return new StoreError("DATA_DAMAGED", `Cannot use archive ${folder}: entries ${first} to ${last} are missing`);
}
