// How the state looks in etcd's database, and how etcd's looks here. The key table is the same but for the mark on deletions' keys.
//
//   bucket            key                          value
//   alarm             AlarmMember                  empty
//   auth              authEnabled, authRevision    0 or 1; 8 bytes
//   authRoles/Users   name                         authpb.Role, authpb.User
//   cluster           clusterVersion               text
//   key               main _ sub ["t"]             mvccpb.KeyValue; of a deletion ("t") only its key
//   lease             8 bytes ID                   leasepb.Lease {ID 1, TTL 2, RemainingTTL 3}
//   members           ID in hex                    JSON; members_removed: "removed"
//   meta              consistent_index, term       8 bytes each; scheduledCompactRev, finishedCompactRev: a revision; confState: JSON
//
// Source: etcd server/storage/schema, server/lease/leasepb; the shape is that of 3.5, which 3.4 and 3.6 read, too.
import { decodeMain, encodeRevision, isTombstone, readUint64, revisionBytes, type Table, writeUint64 } from "@lenj/mvcc";
import { etcdserverpb, leasepb } from "@lenj/proto/etcd";
import { MemberRecord } from "@lenj/proto/raft";
import { decodeApplied } from "../core/command.js";
import { StoreError } from "../core/errors.js";

export type Row = readonly [key: Uint8Array, value: Uint8Array];

/** In byte order, as the file has them. */
export const bucketNames = [
  "alarm",
  "auth",
  "authRoles",
  "authUsers",
  "cluster",
  "key",
  "lease",
  "members",
  "members_removed",
  "meta",
] as const;
export type BucketName = (typeof bucketNames)[number];

/** The oldest etcd that opens the file. A restored cluster raises it by itself. */
const clusterVersion = "3.4.0";
const tombstoneMark = 0x74;
const removedMemberMark = 0x72;
const nothing = new Uint8Array(0);
const text = (value: string): Buffer => Buffer.from(value);

/** First byte of a row's key in the `auth` table. */
const authRow = { enabled: 0x65, revision: 0x76, user: 0x75, role: 0x72 } as const;

/** Buckets that are filled from one table, and the rows that a row of it becomes there. */
export const bucketSources: Readonly<Record<Exclude<BucketName, "cluster" | "meta">, { table: Table; toEtcd(row: Row): Row | undefined }>> =
  {
    alarm: { table: "alarm", toEtcd: ([key]) => [etcdserverpb.AlarmMember.encode(decodeAlarm(key)).finish(), nothing] },
    auth: { table: "auth", toEtcd: authSettingToEtcd },
    authRoles: { table: "auth", toEtcd: ([key, value]) => (key[0] === authRow.role ? [key.subarray(1), value] : undefined) },
    authUsers: { table: "auth", toEtcd: ([key, value]) => (key[0] === authRow.user ? [key.subarray(1), value] : undefined) },
    key: { table: "key", toEtcd: ([key, value]) => [isTombstone(value) ? Buffer.from([...key, tombstoneMark]) : key, value] },
    lease: { table: "lease", toEtcd: ([key, value]) => [key, encodeLease(key, value)] },
    members: { table: "members", toEtcd: ([key, value]) => (key.length === 8 ? memberToEtcd(value) : undefined) },
    members_removed: {
      table: "members",
      toEtcd: ([key]) =>
        key[0] === removedMemberMark && key.length === 9 ? [text(idOf(key.subarray(1)).toString(16)), text("removed")] : undefined,
    },
  };

export const clusterRows: readonly Row[] = [[text("clusterVersion"), text(clusterVersion)]];

/** What the `meta` table says. */
export interface StateMarks {
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  /** -1 before the first compaction. */
  readonly scheduledCompactRevision: number;
  readonly finishedCompactRevision: number;
}

export function marksOfTable(rows: readonly Row[]): StateMarks {
  const values = new Map(rows.map(([key, value]) => [Buffer.from(key).toString(), value]));
  const applied = values.get("applied");
  const { index, term } = applied === undefined ? { index: 0, term: 0 } : decodeApplied(applied);
  const counter = (name: string): number => {
    const value = values.get(name);
    return value === undefined ? -1 : readUint64(value, 0);
  };
  return {
    appliedIndex: index,
    appliedTerm: term,
    scheduledCompactRevision: counter("scheduledCompactRev"),
    finishedCompactRevision: counter("finishedCompactRev"),
  };
}

/** Rows of etcd's `meta` bucket, in order. `members` decide the configuration, as they do here. */
export function metaRows(marks: StateMarks, members: readonly MemberRecord[]): Row[] {
  const revision = (name: string, main: number): Row[] => (main < 0 ? [] : [[text(name), encodeRevision(main, 0)]]);
  return [
    [text("confState"), text(formatConfState(members))],
    [text("consistent_index"), counterBytes(marks.appliedIndex)],
    ...revision("finishedCompactRev", marks.finishedCompactRevision),
    ...revision("scheduledCompactRev", marks.scheduledCompactRevision),
    [text("term"), counterBytes(marks.appliedTerm)],
  ];
}

export function marksOfBucket(rows: readonly Row[]): StateMarks {
  const values = new Map(rows.map(([key, value]) => [Buffer.from(key).toString(), value]));
  const read = (name: string, size: number, missing: number): number => {
    const value = values.get(name);
    if (value === undefined || value.length === 0) return missing;
    if (value.length < size)
      throw new StoreError("DATA_DAMAGED", `Cannot read snapshot: meta ${name} has ${value.length} bytes, must have ${size}`);
    return size === 8 ? readUint64(value, 0) : decodeMain(value);
  };
  return {
    appliedIndex: read("consistent_index", 8, 0),
    appliedTerm: read("term", 8, 0),
    scheduledCompactRevision: read("scheduledCompactRev", revisionBytes, -1),
    finishedCompactRevision: read("finishedCompactRev", revisionBytes, -1),
  };
}

/** A row that moves the revision of a database on without changing a key: the deletion of a key that never was. */
export function revisionRow(main: number): Row {
  return [Buffer.from([...encodeRevision(main, 0), tombstoneMark]), nothing];
}

/** Which table takes a row of one of etcd's buckets, and as what; undefined for what does not carry over into a new cluster. */
export function rowFromEtcd(bucket: string, [key, value]: Row): { readonly table: Table; readonly row: Row } | undefined {
  const prefixed = (prefix: number): Uint8Array => Buffer.from([prefix, ...key]);
  switch (bucket) {
    case "key":
      if (key.length !== revisionBytes && !(key.length === revisionBytes + 1 && key[revisionBytes] === tombstoneMark))
        throw new StoreError("DATA_DAMAGED", `Cannot read snapshot: ${Buffer.from(key).toString("hex")} is not a revision`);
      return { table: "key", row: [key.subarray(0, revisionBytes), value] };
    case "lease":
      return { table: "lease", row: [key, decodeLease(value)] };
    case "alarm":
      return { table: "alarm", row: [encodeAlarm(etcdserverpb.AlarmMember.decode(Buffer.from(key))), nothing] };
    case "authUsers":
      return { table: "auth", row: [prefixed(authRow.user), value] };
    case "authRoles":
      return { table: "auth", row: [prefixed(authRow.role), value] };
    case "auth":
      return authSettingFromEtcd([key, value]);
    default:
      return undefined;
  }
}

function authSettingToEtcd([key, value]: Row): Row | undefined {
  if (key.length !== 1) return undefined;
  if (key[0] === authRow.enabled) return [text("authEnabled"), value];
  return key[0] === authRow.revision ? [text("authRevision"), value] : undefined;
}

function authSettingFromEtcd([key, value]: Row): { readonly table: Table; readonly row: Row } | undefined {
  const name = Buffer.from(key).toString();
  if (name === "authEnabled") return { table: "auth", row: [Uint8Array.of(authRow.enabled), value] };
  return name === "authRevision" ? { table: "auth", row: [Uint8Array.of(authRow.revision), value] } : undefined;
}

function decodeAlarm(key: Uint8Array): etcdserverpb.AlarmMember {
  return { memberID: idOf(key.subarray(0, 8)), alarm: key[8] as etcdserverpb.AlarmType };
}

function encodeAlarm({ memberID, alarm }: etcdserverpb.AlarmMember): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes.writeBigUInt64BE(memberID, 0);
  bytes[8] = alarm;
  return bytes;
}

function memberToEtcd(value: Uint8Array): Row {
  const member = MemberRecord.decode(value);
  return [text(member.id.toString(16)), text(formatMember(member))];
}

/** IDs use all 64 bits and stand as plain numbers in etcd's JSON, so that JSON.stringify cannot write them. */
function formatMember(member: MemberRecord): string {
  const rest = {
    peerURLs: member.peerUrls,
    ...(member.isLearner ? { isLearner: true } : {}),
    ...(member.name === "" ? {} : { name: member.name }),
    ...(member.clientUrls.length === 0 ? {} : { clientURLs: member.clientUrls }),
  };
  return `{"id":${member.id},${JSON.stringify(rest).slice(1)}`;
}

function formatConfState(members: readonly MemberRecord[]): string {
  const ids = (isLearner: boolean): string =>
    members
      .filter((member) => member.isLearner === isLearner)
      .map(({ id }) => String(id))
      .join(",");
  const learners = ids(true);
  return `{"voters":[${ids(false)}],${learners === "" ? "" : `"learners":[${learners}],`}"auto_leave":false}`;
}

/** From this store's record: granted and remaining seconds, 8 bytes each. */
function encodeLease(id: Uint8Array, record: Uint8Array): Uint8Array {
  return leasepb.Lease.encode({
    ID: BigInt.asIntN(64, idOf(id)),
    TTL: readUint64(record, 0),
    RemainingTTL: readUint64(record, 8),
  }).finish();
}

function decodeLease(value: Uint8Array): Uint8Array {
  const { TTL, RemainingTTL } = leasepb.Lease.decode(Buffer.from(value));
  const record = new Uint8Array(16);
  writeUint64(record, 0, Math.max(0, TTL));
  writeUint64(record, 8, Math.max(0, RemainingTTL));
  return record;
}

function idOf(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0);
}

function counterBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeUint64(bytes, 0, value);
  return bytes;
}
