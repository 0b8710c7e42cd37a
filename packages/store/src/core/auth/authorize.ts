// Which permission each request needs. Asked by the member that gets a request and again, for what goes through the log, when it is
// applied: permissions may have changed in between, and every member must come to the same answer.
// Source: etcd server/etcdserver/apply/auth.go.
import { keyRangeFromWire, type LeaseTable, noLease } from "@lenj/mvcc";
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { Command } from "../command.js";
import { StoreError } from "../errors.js";
import { type AuthIdentity, type AuthState, nobody } from "./auth-state.js";

/** What permissions are decided on. */
export interface AuthorizedState {
  readonly auth: AuthState;
  readonly leases: Pick<LeaseTable, "get" | "ids">;
}

/** Commands that only an administrator may give, whoever wrote them into the log. */
const adminCommands = [
  "authEnable",
  "authDisable",
  "authUserAdd",
  "authUserDelete",
  "authUserChangePassword",
  "authUserGrantRole",
  "authUserRevokeRole",
  "authRoleAdd",
  "authRoleDelete",
  "authRoleGrantPermission",
  "authRoleRevokePermission",
] as const satisfies readonly (keyof Command)[];

/** Throws what speaks against a command that is about to be applied. */
export function authorizeCommand(state: AuthorizedState, command: Command): void {
  const { auth } = state;
  if (!auth.isEnabled) return;
  const identity: AuthIdentity =
    command.header === undefined ? nobody : { username: command.header.username, revision: command.header.authRevision };
  if (adminCommands.some((name) => command[name] !== undefined)) auth.checkAdmin(identity);
  else if (command.put !== undefined) authorizePut(state, identity, command.put);
  else if (command.txn !== undefined) authorizeTxn(state, identity, command.txn);
  else if (command.deleteRange !== undefined) authorizeDeleteRange(state, identity, command.deleteRange);
  else if (command.leaseRevoke !== undefined) authorizeLeaseWrite(state, identity, command.leaseRevoke.ID);
}

export function authorizeRange({ auth }: AuthorizedState, identity: AuthIdentity, request: RangeLike): void {
  auth.checkAccess(identity, keyRangeFromWire(request.key, request.rangeEnd), "read");
}

/** Anything that names keys as Range does: ranges, compares, watches. */
export interface RangeLike {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export function authorizeTxn(state: AuthorizedState, identity: AuthIdentity, request: etcdserverpb.TxnRequest): void {
  for (const compare of request.compare) authorizeRange(state, identity, compare);
  // Both branches, whichever will run: the outcome of the compares must not decide what is looked at.
  for (const { request: op } of [...request.success, ...request.failure]) {
    switch (op?.$case) {
      case "requestRange":
        authorizeRange(state, identity, op.value);
        break;
      case "requestPut":
        authorizePut(state, identity, op.value);
        break;
      case "requestDeleteRange":
        authorizeDeleteRange(state, identity, op.value);
        break;
      case "requestTxn":
        authorizeTxn(state, identity, op.value);
        break;
      case undefined:
        break;
    }
  }
}

function authorizePut(state: AuthorizedState, identity: AuthIdentity, request: etcdserverpb.PutRequest): void {
  const range = { start: keyRangeFromWire(request.key, new Uint8Array(0)).start, end: undefined };
  state.auth.checkAccess(identity, range, "write");
  // A key on a lease dies with it, and the lease with keys that others may write: one must be able to write all of them.
  if (request.lease !== noLease) authorizeLeaseWrite(state, identity, request.lease);
  if (request.prevKv) state.auth.checkAccess(identity, range, "read");
}

function authorizeDeleteRange(state: AuthorizedState, identity: AuthIdentity, request: etcdserverpb.DeleteRangeRequest): void {
  state.auth.checkAccess(identity, keyRangeFromWire(request.key, request.rangeEnd), "write");
  if (request.prevKv) authorizeRange(state, identity, request);
}

/** Revoking a lease, renewing it or adding to it takes the right to write every key on it. */
export function authorizeLeaseWrite(state: AuthorizedState, identity: AuthIdentity, id: bigint): void {
  checkLeaseKeys(state, identity, id, "write");
}

/** Seeing a lease's keys takes the right to read all of them. */
export function authorizeLeaseRead(state: AuthorizedState, identity: AuthIdentity, id: bigint): void {
  checkLeaseKeys(state, identity, id, "read");
}

function checkLeaseKeys({ auth, leases }: AuthorizedState, identity: AuthIdentity, id: bigint, access: "read" | "write"): void {
  if (auth.isAdmin(identity)) return;
  for (const key of leases.get(id)?.keys ?? []) auth.checkAccess(identity, { start: key, end: undefined }, access);
}

/** An administrator, or the user of that name about itself. */
export function authorizeUserGet({ auth }: AuthorizedState, identity: AuthIdentity, userName: string): void {
  if (userName !== identity.username) auth.checkAdmin(identity);
}

/** An administrator, or a user who has the role. */
export function authorizeRoleGet({ auth }: AuthorizedState, identity: AuthIdentity, roleName: string): void {
  if (!auth.hasRole(identity.username, roleName)) auth.checkAdmin(identity);
}

/** Throws USER_EMPTY when authentication is on and the request carries no credentials. */
export function requireIdentity({ auth }: AuthorizedState, identity: AuthIdentity): void {
  if (auth.isEnabled && identity.username === "") throw new StoreError("USER_EMPTY");
}
