// What a log entry holds: who asked, and what for.
//
// Layout: version (1 byte), member (8), request number (6), then an etcdserverpb.InternalRaftRequest. Member and number together are
// unique per request, so that the member that asked finds who waits for the answer; others only apply.
import { readUint64, sizeOfVarint, writeUint64, writeVarint } from "@lenj/mvcc";
import { etcdserverpb } from "@lenj/proto/etcd";
import { StoreError } from "./errors.js";

/** Exactly one field is set, and the header where the requester is known. */
export type Command = Partial<
  Pick<
    etcdserverpb.InternalRaftRequest,
    | "header"
    | "put"
    | "deleteRange"
    | "txn"
    | "compaction"
    | "leaseGrant"
    | "leaseRevoke"
    | "leaseCheckpoint"
    | "alarm"
    | "clusterMemberAttrSet"
    | "clusterVersionSet"
    | "downgradeInfoSet"
    | "authenticate"
    | "authEnable"
    | "authDisable"
    | "authUserAdd"
    | "authUserDelete"
    | "authUserChangePassword"
    | "authUserGrantRole"
    | "authUserRevokeRole"
    | "authRoleAdd"
    | "authRoleDelete"
    | "authRoleGrantPermission"
    | "authRoleRevokePermission"
  >
>;

const layoutVersion = 1;
const headerBytes = 15;
/** Request numbers stay below 2^48. */
export const requestNumberLimit = 2 ** 48;

export function encodeCommand(memberID: bigint, requestNumber: number, command: Command): Uint8Array {
  const { put } = command;
  const isPlainPut = put !== undefined && command.header === undefined && isPlain(put);
  const body = isPlainPut ? undefined : etcdserverpb.InternalRaftRequest.encode({ ID: 0n, ...command }).finish();
  const bytes = Buffer.allocUnsafe(headerBytes + (body?.length ?? sizeOfPlainPut(put as etcdserverpb.PutRequest)));
  bytes[0] = layoutVersion;
  bytes.writeBigUInt64BE(memberID, 1);
  bytes.writeUIntBE(requestNumber, 9, 6);
  if (body !== undefined) bytes.set(body, headerBytes);
  else writePlainPut(bytes, put as etcdserverpb.PutRequest);
  return bytes;
}

/** Most of what is written is a key and a value: put down in one go, in the same encoding. */
function isPlain({ lease, prevKv, ignoreValue, ignoreLease }: etcdserverpb.PutRequest): boolean {
  return lease === 0n && !prevKv && !ignoreValue && !ignoreLease;
}

/** Field numbers and wire types, as they stand in proto/etcd. */
const tag = { put: 0x22, key: 0x0a, value: 0x12 } as const;

function sizeOfPlainPut({ key, value }: etcdserverpb.PutRequest): number {
  const size = sizeOfField(key.length) + sizeOfField(value.length);
  return 1 + sizeOfVarint(size) + size;
}

function writePlainPut(bytes: Uint8Array, { key, value }: etcdserverpb.PutRequest): void {
  let at = writeField(bytes, headerBytes, tag.put, sizeOfField(key.length) + sizeOfField(value.length));
  for (const [field, part] of [[tag.key, key] as const, [tag.value, value] as const]) {
    if (part.length === 0) continue;
    at = writeField(bytes, at, field, part.length);
    bytes.set(part, at);
    at += part.length;
  }
}

/** A tag and a length. */
function writeField(bytes: Uint8Array, at: number, field: number, length: number): number {
  bytes[at] = field;
  return writeVarint(bytes, at + 1, length);
}

/** Of bytes in a field; empty ones are left out. */
const sizeOfField = (length: number): number => (length === 0 ? 0 : 1 + sizeOfVarint(length) + length);

export interface CommandHeader {
  readonly memberID: bigint;
  readonly requestNumber: number;
}

export function decodeCommandHeader(bytes: Uint8Array): CommandHeader {
  if (bytes.length < headerBytes || bytes[0] !== layoutVersion) {
    throw new StoreError("DATA_DAMAGED", `Cannot decode log entry: layout version is ${bytes[0]}, must be ${layoutVersion}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { memberID: view.getBigUint64(1), requestNumber: view.getUint16(9) * 0x1_0000_0000 + view.getUint32(11) };
}

export function decodeCommandBody(bytes: Uint8Array): Command {
  return etcdserverpb.InternalRaftRequest.decode(Buffer.from(bytes.buffer, bytes.byteOffset + headerBytes, bytes.byteLength - headerBytes));
}

/** Applied index and its term, as stored with the data. */
export function encodeApplied(index: number, term: number): Uint8Array {
  const bytes = new Uint8Array(16);
  writeUint64(bytes, 0, index);
  writeUint64(bytes, 8, term);
  return bytes;
}

export function decodeApplied(bytes: Uint8Array): { readonly index: number; readonly term: number } {
  return { index: readUint64(bytes, 0), term: readUint64(bytes, 8) };
}
