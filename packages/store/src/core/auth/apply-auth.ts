// What the commands about users, roles and tokens do.
import type { Command } from "../command.js";
import { StoreError } from "../errors.js";
import type { AuthState } from "./auth-state.js";
import { formatSimpleToken, type SimpleTokens } from "./simple-tokens.js";

export interface Authenticated {
  readonly username: string;
  readonly revision: number;
  readonly token: string;
}

/** Applies a checked command. Returns undefined when it is none about authentication, else what Authenticate made, if it was that. */
export function applyAuthCommand(
  auth: AuthState,
  tokens: SimpleTokens,
  command: Command,
  context: { readonly index: number; readonly nowMs: number },
): { readonly authenticated?: Authenticated } | undefined {
  if (command.authenticate !== undefined) return { authenticated: authenticate(auth, tokens, command.authenticate, context) };
  if (command.authEnable !== undefined) auth.enable();
  else if (command.authDisable !== undefined) {
    auth.disable();
    tokens.endAll();
  } else if (command.authUserAdd !== undefined) auth.addUser(command.authUserAdd);
  else if (command.authUserDelete !== undefined) {
    auth.deleteUser(command.authUserDelete.name);
    tokens.endUser(command.authUserDelete.name);
  } else if (command.authUserChangePassword !== undefined) {
    auth.changePassword(command.authUserChangePassword);
    tokens.endUser(command.authUserChangePassword.name);
  } else if (command.authUserGrantRole !== undefined) auth.grantRole(command.authUserGrantRole.user, command.authUserGrantRole.role);
  else if (command.authUserRevokeRole !== undefined) auth.revokeRole(command.authUserRevokeRole.name, command.authUserRevokeRole.role);
  else if (command.authRoleAdd !== undefined) auth.addRole(command.authRoleAdd.name);
  else if (command.authRoleDelete !== undefined) auth.deleteRole(command.authRoleDelete.role);
  else if (command.authRoleGrantPermission !== undefined) auth.grantPermission(command.authRoleGrantPermission);
  else if (command.authRoleRevokePermission !== undefined) auth.revokePermission(command.authRoleRevokePermission);
  else return undefined;
  return {};
}

/** The password was checked by the member that was asked; this only makes the token known everywhere. */
function authenticate(
  auth: AuthState,
  tokens: SimpleTokens,
  request: { readonly name: string; readonly simpleToken: string },
  context: { readonly index: number; readonly nowMs: number },
): Authenticated {
  if (!auth.isEnabled) throw new StoreError("AUTH_NOT_ENABLED");
  const user = auth.user(request.name);
  if (user === undefined || user.options?.noPassword === true) throw new StoreError("AUTH_FAILED");
  const token = formatSimpleToken(request.simpleToken, context.index);
  if (request.simpleToken !== "") tokens.assign(token, request.name, context.nowMs);
  return { username: request.name, revision: auth.revision, token };
}
