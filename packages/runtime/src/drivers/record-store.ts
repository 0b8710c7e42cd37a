// Records of sandboxes and containers on disk: one JSON file each, replaced as a whole.
//
// D1. A file is complete or absent: written beside, then renamed. Drafts of a killed process are removed at start.
// D2. CRI messages are kept in their wire form, so that fields unknown to this version survive.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ContainerConfig, PodSandboxConfig } from "@lenj/proto/cri";
import type { ContainerRecord, SandboxRecord } from "../core/records.js";

interface RecordCodec<T> {
  encode(record: T): unknown;
  decode(stored: never): T;
}

export class RecordStore<T extends { readonly id: string }> {
  constructor(
    readonly directory: string,
    private readonly fileName: string,
    private readonly codec: RecordCodec<T>,
  ) {
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  }

  /** Directory of one record's other files. */
  directoryOf(id: string): string {
    return join(this.directory, id);
  }

  write(record: T): void {
    const directory = this.directoryOf(record.id);
    mkdirSync(directory, { recursive: true, mode: 0o711 });
    const file = join(directory, this.fileName);
    writeFileSync(
      `${file}.draft`,
      JSON.stringify(this.codec.encode(record), (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
      { mode: 0o600 },
    );
    renameSync(`${file}.draft`, file);
  }

  remove(id: string): void {
    // The record first: a directory without one is swept at the next start.
    rmSync(join(this.directoryOf(id), this.fileName), { force: true });
    rmSync(this.directoryOf(id), { recursive: true, force: true });
  }

  /** All records; directories without one, and unreadable ones, are removed and named in `onSwept`. */
  load(onSwept: (id: string) => void): T[] {
    const records: T[] = [];
    for (const id of readdirSync(this.directory)) {
      try {
        records.push(this.codec.decode(JSON.parse(readFileSync(join(this.directoryOf(id), this.fileName), "utf8")) as never));
      } catch {
        onSwept(id);
        rmSync(this.directoryOf(id), { recursive: true, force: true });
      }
    }
    return records;
  }
}

type Stored<T> = { [K in keyof T]: T[K] extends bigint ? string : T[K] };

export const containerCodec: RecordCodec<ContainerRecord> = {
  encode: (record) => ({ ...record, config: Buffer.from(ContainerConfig.encode(record.config).finish()).toString("base64") }),
  decode: (stored: Stored<ContainerRecord> & { config: string & ContainerConfig }) => ({
    ...stored,
    config: ContainerConfig.decode(Buffer.from(stored.config, "base64")),
    createdAt: BigInt(stored.createdAt),
    state: decodeState(stored.state),
  }),
};

function decodeState(state: ContainerRecord["state"]): ContainerRecord["state"] {
  if (state.name === "running") return { ...state, startedAt: BigInt(state.startedAt) };
  if (state.name === "exited") return { ...state, startedAt: BigInt(state.startedAt), finishedAt: BigInt(state.finishedAt) };
  return state;
}

export const sandboxCodec: RecordCodec<SandboxRecord> = {
  encode: (record) => ({ ...record, config: Buffer.from(PodSandboxConfig.encode(record.config).finish()).toString("base64") }),
  decode: (stored: Stored<SandboxRecord> & { config: string & PodSandboxConfig }) => ({
    ...stored,
    config: PodSandboxConfig.decode(Buffer.from(stored.config, "base64")),
    createdAt: BigInt(stored.createdAt),
  }),
};
