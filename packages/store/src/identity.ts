// Which member of which cluster a data folder belongs to.
//
// I1. Written once, when the data is made; afterwards it decides, not the flags.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { StoreError } from "./core/errors.js";
import { writeDurably } from "./drivers/durable-files.js";

/** Of everything under the member's folder. 2: several log entries in one row. To be raised with every change that an older program would misread. */
const layoutVersion = 2;

export interface Identity {
  readonly memberID: bigint;
  readonly clusterID: bigint;
}

/** What the identity of a first member follows from. */
export interface IdentityOptions {
  readonly name: string;
  readonly clusterToken: string;
  /** By ID. */
  readonly initialMembers: readonly { readonly id: bigint; readonly name: string }[];
}

/** `folder` is the member's. Undefined when there is no data yet. Throws CONFIG_INVALID for the data of another layout. */
export function readIdentity(folder: string): Identity | undefined {
  const file = `${folder}/identity.json`;
  if (!existsSync(file)) return undefined;
  const found = JSON.parse(readFileSync(file, "utf8")) as { layoutVersion: number; memberID: string; clusterID: string };
  if (found.layoutVersion !== layoutVersion)
    throw new StoreError(
      "CONFIG_INVALID",
      `Cannot use ${folder}: its layout is version ${found.layoutVersion}, this program reads ${layoutVersion}`,
    );
  return { memberID: BigInt(`0x${found.memberID}`), clusterID: BigInt(`0x${found.clusterID}`) };
}

/** Throws CONFIG_INVALID when the name is not among the initial members. */
export function createIdentity(folder: string, options: IdentityOptions): Identity {
  const identity = identityOf(options);
  writeIdentity(folder, identity);
  return identity;
}

/** Of a first member. Throws CONFIG_INVALID when the name is not among the initial members. */
export function identityOf(options: IdentityOptions): Identity {
  const own = options.initialMembers.find((member) => member.name === options.name);
  if (own === undefined) throw new StoreError("CONFIG_INVALID", `Cannot find ${options.name} in the initial cluster`);
  const hash = createHash("sha1").update(options.clusterToken);
  for (const { id } of options.initialMembers) hash.update(id.toString(16));
  return { memberID: own.id, clusterID: hash.digest().readBigUInt64BE() };
}

export function writeIdentity(folder: string, { memberID, clusterID }: Identity): void {
  const stored = { layoutVersion, memberID: memberID.toString(16), clusterID: clusterID.toString(16) };
  writeDurably(`${folder}/identity.json`, `${JSON.stringify(stored)}\n`);
}
