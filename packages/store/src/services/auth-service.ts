// etcdserverpb.Auth: users, roles, permissions, and tokens for those who know a password.
//
// Passwords are hashed and compared here, before the log: no entry carries one (CVE-2021-28235), and members that apply an entry have
// nothing slow to do.
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcCall, RpcHandlers } from "@lenj/rpc-server";
import type { AuthenticateAnswer } from "../core/answers.js";
import { authorizeRoleGet, authorizeUserGet } from "../core/auth/authorize.js";
import type { Command } from "../core/command.js";
import { StoreError } from "../core/errors.js";
import { hashPassword, isPassword } from "../drivers/auth/passwords.js";
import type { ServiceContext } from "./context.js";

/** Times that a password is compared again because users changed meanwhile. */
const authenticateAttempts = 5;
const tokenLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const tokenLength = 16;

type HeaderOnly = { readonly header: etcdserverpb.ResponseHeader };

export function authService(context: ServiceContext): RpcHandlers {
  const { replica, header, access, bcryptCost } = context;
  const headerNow = (): etcdserverpb.ResponseHeader => header(replica.state.space.currentRevision);
  const run = async (command: Command, call: RpcCall): Promise<HeaderOnly> => {
    const answer = await replica.propose({ ...access.headerOf(call), ...command });
    return { header: header(answer.revision) };
  };
  return {
    authEnable: (request: etcdserverpb.AuthEnableRequest, call: RpcCall) => run({ authEnable: request }, call),
    authDisable: (request: etcdserverpb.AuthDisableRequest, call: RpcCall) => run({ authDisable: request }, call),
    authStatus: async (_request: etcdserverpb.AuthStatusRequest, call: RpcCall): Promise<etcdserverpb.AuthStatusResponse> => {
      await replica.linearizable();
      access.identityOf(call);
      const { auth } = replica.state;
      return { header: headerNow(), enabled: auth.isEnabled, authRevision: auth.revision };
    },
    authenticate: (request: etcdserverpb.AuthenticateRequest) => authenticate(context, request),
    userAdd: async (request: etcdserverpb.AuthUserAddRequest, call: RpcCall) => {
      const hashedPassword = request.options?.noPassword === true ? "" : await hashPassword(request.password, bcryptCost);
      return run({ authUserAdd: { ...request, password: "", hashedPassword } }, call);
    },
    userGet: async (request: etcdserverpb.AuthUserGetRequest, call: RpcCall): Promise<etcdserverpb.AuthUserGetResponse> => {
      await replica.linearizable();
      authorizeUserGet(replica.state, access.identityOf(call), request.name);
      return { header: headerNow(), roles: replica.state.auth.checkUser(request.name).roles };
    },
    userList: async (_request: etcdserverpb.AuthUserListRequest, call: RpcCall): Promise<etcdserverpb.AuthUserListResponse> => {
      await replica.linearizable();
      access.check(call);
      return { header: headerNow(), users: replica.state.auth.userNames() };
    },
    userDelete: (request: etcdserverpb.AuthUserDeleteRequest, call: RpcCall) => run({ authUserDelete: request }, call),
    userChangePassword: async (request: etcdserverpb.AuthUserChangePasswordRequest, call: RpcCall) => {
      const hashedPassword = await hashPassword(request.password, bcryptCost);
      return run({ authUserChangePassword: { ...request, password: "", hashedPassword } }, call);
    },
    userGrantRole: (request: etcdserverpb.AuthUserGrantRoleRequest, call: RpcCall) => run({ authUserGrantRole: request }, call),
    userRevokeRole: (request: etcdserverpb.AuthUserRevokeRoleRequest, call: RpcCall) => run({ authUserRevokeRole: request }, call),
    roleAdd: (request: etcdserverpb.AuthRoleAddRequest, call: RpcCall) => run({ authRoleAdd: request }, call),
    roleGet: async (request: etcdserverpb.AuthRoleGetRequest, call: RpcCall): Promise<etcdserverpb.AuthRoleGetResponse> => {
      await replica.linearizable();
      authorizeRoleGet(replica.state, access.identityOf(call), request.role);
      return { header: headerNow(), perm: [...replica.state.auth.permissionsOf(request.role)] };
    },
    roleList: async (_request: etcdserverpb.AuthRoleListRequest, call: RpcCall): Promise<etcdserverpb.AuthRoleListResponse> => {
      await replica.linearizable();
      access.check(call);
      return { header: headerNow(), roles: replica.state.auth.roleNames() };
    },
    roleDelete: (request: etcdserverpb.AuthRoleDeleteRequest, call: RpcCall) => run({ authRoleDelete: request }, call),
    roleGrantPermission: (request: etcdserverpb.AuthRoleGrantPermissionRequest, call: RpcCall) =>
      run({ authRoleGrantPermission: request }, call),
    roleRevokePermission: (request: etcdserverpb.AuthRoleRevokePermissionRequest, call: RpcCall) =>
      run({ authRoleRevokePermission: request }, call),
  };
}

/** A token is worth what the password was when it was compared: when users changed until the entry was applied, it is compared again. */
async function authenticate(
  { replica, header, access, random }: ServiceContext,
  request: etcdserverpb.AuthenticateRequest,
): Promise<etcdserverpb.AuthenticateResponse> {
  await replica.linearizable();
  const { signedTokens } = access.options;
  for (let attempt = 0; attempt < authenticateAttempts; attempt += 1) {
    const { auth } = replica.state;
    if (!auth.isEnabled) throw new StoreError("AUTH_NOT_ENABLED");
    const checkedAt = auth.revision;
    const user = auth.user(request.name);
    if (user === undefined) throw new StoreError("AUTH_FAILED");
    if (user.options?.noPassword === true) throw new StoreError("NO_PASSWORD_USER");
    if (!(await isPassword(request.password, user.password))) throw new StoreError("AUTH_FAILED");
    const simpleToken = signedTokens === undefined ? randomLetters(random.bytes(2 * tokenLength)) : "";
    const answer = (await replica.propose({ authenticate: { name: request.name, password: "", simpleToken } })) as AuthenticateAnswer;
    if (answer.authRevision !== checkedAt) continue;
    const identity = { username: request.name, revision: answer.authRevision };
    return { header: header(answer.revision), token: signedTokens?.issue(identity) ?? answer.token };
  }
  throw new StoreError("AUTH_OLD_REVISION");
}

/** One letter for two bytes each. */
function randomLetters(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes);
  return Array.from(
    { length: buffer.length / 2 },
    (_unused, position) => tokenLetters[buffer.readUInt16BE(position * 2) % tokenLetters.length],
  ).join("");
}
