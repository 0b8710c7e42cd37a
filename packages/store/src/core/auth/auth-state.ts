// Users, roles and what they may touch, as the replicated state knows it.
//
// Owns:  the backend's `auth` table, whether authentication is on, the auth revision, the permissions merged per user.
// Not:   passwords (hashed before they get here), tokens (simple-tokens.ts, drivers), which request needs what (authorize.ts).
// U1. Each change of users, roles or permissions raises the auth revision by one; a refused one changes nothing.
// U2. While authentication is on, user root exists and has role root.
// U3. A user's roles are in byte order, each at most once.
// Source: etcd server/auth/store.go and range_perm_cache.go.
import { type Backend, type KeyRange, keyRangeFromWire, readUint64, writeUint64 } from "@lenj/mvcc";
import { authpb, type etcdserverpb } from "@lenj/proto/etcd";
import { StoreError } from "../errors.js";
import { isValidPermissionRange, KeyIntervals } from "./key-intervals.js";

/** Who asks, and the auth revision at which that was established. */
export interface AuthIdentity {
  readonly username: string;
  readonly revision: number;
}

/** A request without credentials. */
export const nobody: AuthIdentity = { username: "", revision: 0 };

export const rootName = "root";
const { Permission_Type: PermissionType } = authpb;
const rootPermission: authpb.Permission = { permType: PermissionType.READWRITE, key: Buffer.alloc(0), rangeEnd: Buffer.from([0]) };

export type Access = "read" | "write";
type MergedPermissions = Readonly<Record<Access, KeyIntervals>>;

const userPrefix = 0x75;
const rolePrefix = 0x72;
const enabledKey = Uint8Array.of(0x65);
const revisionKey = Uint8Array.of(0x76);

export class AuthState {
  readonly #users = new Map<string, authpb.User>();
  readonly #roles = new Map<string, authpb.Role>();
  /** Filled on demand, emptied by every change. */
  readonly #permissions = new Map<string, MergedPermissions>();
  #isEnabled = false;
  #revision = 1;

  constructor(private readonly backend: Backend) {}

  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Takes one stored row back after a restart. */
  load(key: Uint8Array, value: Uint8Array): void {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    if (key[0] === enabledKey[0]) this.#isEnabled = value[0] === 1;
    else if (key[0] === revisionKey[0]) this.#revision = readUint64(value, 0);
    else if (key[0] === userPrefix) this.#keepUser(authpb.User.decode(bytes));
    else this.#keepRole(authpb.Role.decode(bytes));
  }

  /** Throws ROOT_USER_NOT_EXIST or ROOT_ROLE_NOT_EXIST. */
  enable(): void {
    if (this.#isEnabled) return;
    const root = this.#users.get(rootName);
    if (root === undefined) throw new StoreError("ROOT_USER_NOT_EXIST");
    if (!root.roles.includes(rootName)) throw new StoreError("ROOT_ROLE_NOT_EXIST");
    this.#setEnabled(true);
  }

  disable(): void {
    if (!this.#isEnabled) return;
    this.#setEnabled(false);
    this.#commit();
  }

  user(name: string): authpb.User | undefined {
    return this.#users.get(name);
  }

  /** Throws USER_NOT_FOUND. */
  checkUser(name: string): authpb.User {
    const user = this.#users.get(name);
    if (user === undefined) throw new StoreError("USER_NOT_FOUND");
    return user;
  }

  userNames(): string[] {
    return inByteOrder([...this.#users.keys()]);
  }

  addUser(request: etcdserverpb.AuthUserAddRequest): void {
    if (request.name === "") throw new StoreError("USER_EMPTY");
    if (this.#users.has(request.name)) throw new StoreError("USER_EXISTS");
    const options = request.options ?? { noPassword: false };
    const password = Buffer.from(options.noPassword ? "" : request.hashedPassword, "base64");
    this.#putUser({ name: Buffer.from(request.name), password, roles: [], options });
    this.#commit();
  }

  deleteUser(name: string): void {
    if (this.#isEnabled && name === rootName) throw new StoreError("INVALID_AUTH_MGMT");
    this.checkUser(name);
    this.#users.delete(name);
    this.backend.delete("auth", rowKey(userPrefix, name));
    this.#commit();
  }

  changePassword(request: etcdserverpb.AuthUserChangePasswordRequest): void {
    const user = this.checkUser(request.name);
    const password = Buffer.from(user.options?.noPassword === true ? "" : request.hashedPassword, "base64");
    this.#putUser({ ...user, password });
    this.#commit();
  }

  /** Granting again changes nothing. */
  grantRole(userName: string, roleName: string): void {
    const user = this.checkUser(userName);
    // Role root needs no record: it means everything.
    if (roleName !== rootName) this.#role(roleName);
    if (user.roles.includes(roleName)) return;
    this.#putUser({ ...user, roles: inByteOrder([...user.roles, roleName]) });
    this.#commit();
  }

  revokeRole(userName: string, roleName: string): void {
    if (this.#isEnabled && userName === rootName && roleName === rootName) throw new StoreError("INVALID_AUTH_MGMT");
    const user = this.checkUser(userName);
    if (!user.roles.includes(roleName)) throw new StoreError("ROLE_NOT_GRANTED");
    this.#putUser({ ...user, roles: user.roles.filter((role) => role !== roleName) });
    this.#commit();
  }

  roleNames(): string[] {
    return inByteOrder([...this.#roles.keys()]);
  }

  /** Throws ROLE_NOT_FOUND. */
  permissionsOf(roleName: string): readonly authpb.Permission[] {
    const role = this.#role(roleName);
    return roleName === rootName ? [rootPermission] : role.keyPermission;
  }

  addRole(name: string): void {
    if (name === "") throw new StoreError("ROLE_EMPTY");
    if (this.#roles.has(name)) throw new StoreError("ROLE_EXISTS");
    this.#putRole({ name: Buffer.from(name), keyPermission: [] });
    this.#commit();
  }

  /** Takes the role from every user who has it. */
  deleteRole(name: string): void {
    if (this.#isEnabled && name === rootName) throw new StoreError("INVALID_AUTH_MGMT");
    this.#role(name);
    this.#roles.delete(name);
    this.backend.delete("auth", rowKey(rolePrefix, name));
    for (const user of [...this.#users.values()])
      if (user.roles.includes(name)) this.#putUser({ ...user, roles: user.roles.filter((role) => role !== name) });
    this.#commit();
  }

  /**
   * Replaces the permission on exactly this range, or adds one. Upstream compares with only one of the permissions of the key, and may leave
   * the old one in force beside the new.
   */
  grantPermission({ name, perm }: etcdserverpb.AuthRoleGrantPermissionRequest): void {
    if (perm === undefined) throw new StoreError("PERMISSION_NOT_GIVEN");
    if (!isValidPermissionRange(perm.key, perm.rangeEnd)) throw new StoreError("INVALID_AUTH_MGMT");
    const role = this.#role(name);
    const keyPermission = [...role.keyPermission.filter((other) => !isSameRange(other, perm)), perm].sort(
      (a, b) => Buffer.compare(a.key, b.key) || Buffer.compare(a.rangeEnd, b.rangeEnd),
    );
    this.#putRole({ ...role, keyPermission });
    this.#commit();
  }

  revokePermission(request: etcdserverpb.AuthRoleRevokePermissionRequest): void {
    const role = this.#role(request.role);
    const keyPermission = role.keyPermission.filter((permission) => !isSameRange(permission, request));
    if (keyPermission.length === role.keyPermission.length) throw new StoreError("PERMISSION_NOT_GRANTED");
    this.#putRole({ ...role, keyPermission });
    this.#commit();
  }

  hasRole(userName: string, roleName: string): boolean {
    return this.#users.get(userName)?.roles.includes(roleName) ?? false;
  }

  /** Throws USER_EMPTY (no credentials), AUTH_OLD_REVISION (something changed since they were checked) or PERMISSION_DENIED. */
  checkAccess(identity: AuthIdentity, range: KeyRange, access: Access): void {
    if (!this.#isEnabled) return;
    if (identity.revision === 0) throw new StoreError("USER_EMPTY");
    if (identity.revision < this.#revision) throw new StoreError("AUTH_OLD_REVISION");
    const user = this.#users.get(identity.username);
    if (user === undefined) throw new StoreError("PERMISSION_DENIED");
    if (user.roles.includes(rootName)) return;
    if (!this.#mergedPermissions(identity.username, user)[access].covers(range)) throw new StoreError("PERMISSION_DENIED");
  }

  /** Throws USER_EMPTY, USER_NOT_FOUND or PERMISSION_DENIED. */
  checkAdmin(identity: AuthIdentity): void {
    if (!this.#isEnabled) return;
    if (identity.username === "") throw new StoreError("USER_EMPTY");
    if (!this.checkUser(identity.username).roles.includes(rootName)) throw new StoreError("PERMISSION_DENIED");
  }

  isAdmin(identity: AuthIdentity): boolean {
    return !this.#isEnabled || this.hasRole(identity.username, rootName);
  }

  #role(name: string): authpb.Role {
    const role = this.#roles.get(name);
    if (role === undefined) throw new StoreError("ROLE_NOT_FOUND");
    return role;
  }

  #mergedPermissions(userName: string, user: authpb.User): MergedPermissions {
    const known = this.#permissions.get(userName);
    if (known !== undefined) return known;
    const granted = user.roles.flatMap((role) => this.#roles.get(role)?.keyPermission ?? []);
    const rangesOf = (type: authpb.Permission_Type): KeyRange[] =>
      granted
        .filter(({ permType }) => permType === type || permType === PermissionType.READWRITE)
        .map(({ key, rangeEnd }) => keyRangeFromWire(key, rangeEnd));
    const merged = { read: new KeyIntervals(rangesOf(PermissionType.READ)), write: new KeyIntervals(rangesOf(PermissionType.WRITE)) };
    this.#permissions.set(userName, merged);
    return merged;
  }

  #keepUser(user: authpb.User): void {
    this.#users.set(user.name.toString(), user);
  }

  #keepRole(role: authpb.Role): void {
    this.#roles.set(role.name.toString(), role);
  }

  #putUser(user: authpb.User): void {
    this.#keepUser(user);
    this.backend.put("auth", rowKey(userPrefix, user.name.toString()), authpb.User.encode(user).finish());
  }

  #putRole(role: authpb.Role): void {
    this.#keepRole(role);
    this.backend.put("auth", rowKey(rolePrefix, role.name.toString()), authpb.Role.encode(role).finish());
  }

  #setEnabled(isEnabled: boolean): void {
    this.#isEnabled = isEnabled;
    this.backend.put("auth", enabledKey, Uint8Array.of(isEnabled ? 1 : 0));
  }

  #commit(): void {
    this.#revision += 1;
    this.#permissions.clear();
    const bytes = new Uint8Array(8);
    writeUint64(bytes, 0, this.#revision);
    this.backend.put("auth", revisionKey, bytes);
  }
}

function rowKey(prefix: number, name: string): Uint8Array {
  return Uint8Array.of(prefix, ...Buffer.from(name));
}

function isSameRange(a: Pick<authpb.Permission, "key" | "rangeEnd">, b: Pick<authpb.Permission, "key" | "rangeEnd">): boolean {
  return a.key.equals(b.key) && a.rangeEnd.equals(b.rangeEnd);
}

function inByteOrder(names: readonly string[]): string[] {
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
