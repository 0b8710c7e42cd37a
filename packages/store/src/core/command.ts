// What a log entry holds: who asked, and what for.
//
// Layout: version (1 byte), member (8), request number (6), then an etcdserverpb.InternalRaftRequest. Member and number together are
// unique per request, so that the member that asked finds who waits for the answer; others only apply.
import { readUint64, writeUint64 } from "@lenj/mvcc";
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
  const body = etcdserverpb.InternalRaftRequest.encode({ ID: 0n, ...command }).finish();
  const bytes = new Uint8Array(headerBytes + body.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = layoutVersion;
  view.setBigUint64(1, memberID);
  view.setUint16(9, Math.floor(requestNumber / 0x1_0000_0000));
  view.setUint32(11, requestNumber >>> 0);
  bytes.set(body, headerBytes);
  return bytes;
}

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
