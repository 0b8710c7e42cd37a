import { MemoryBackend } from "@lenj/mvcc/testing";
import { authpb } from "@lenj/proto/etcd";
import { isStoreError, type StoreErrorCode } from "../errors.js";
import { AuthState } from "./auth-state.js";

const { Permission_Type: Type } = authpb;
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const hashed = (text: string): string => Buffer.from(`hash of ${text}`).toString("base64");

function code(act: () => void): StoreErrorCode | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
}

function addUser(auth: AuthState, name: string, roles: readonly string[] = []): void {
  auth.addUser({ name, password: "", hashedPassword: hashed(name), options: undefined });
  for (const role of roles) auth.grantRole(name, role);
}

function grant(auth: AuthState, role: string, permType: authpb.Permission_Type, key: string, rangeEnd = ""): void {
  auth.grantPermission({ name: role, perm: { permType, key: bytes(key), rangeEnd: bytes(rangeEnd) } });
}

function enabled(): AuthState {
  const auth = new AuthState(new MemoryBackend());
  addUser(auth, "root", ["root"]);
  auth.enable();
  return auth;
}

describe("users and roles", () => {
  it("refuses to switch on without a root that is root", () => {
    const auth = new AuthState(new MemoryBackend());
    expect(code(() => auth.enable())).toBe("ROOT_USER_NOT_EXIST");
    addUser(auth, "root");
    expect(code(() => auth.enable())).toBe("ROOT_ROLE_NOT_EXIST");
    auth.grantRole("root", "root");
    const { revision } = auth;
    auth.enable();
    expect(auth.isEnabled).toBe(true);
    expect(auth.revision).toBe(revision);
    auth.enable();
    expect(auth.revision).toBe(revision);
  });

  it("keeps root what it is while authentication is on, and lets go once it is off", () => {
    const auth = enabled();
    auth.addRole("root");
    expect(code(() => auth.deleteUser("root"))).toBe("INVALID_AUTH_MGMT");
    expect(code(() => auth.revokeRole("root", "root"))).toBe("INVALID_AUTH_MGMT");
    expect(code(() => auth.deleteRole("root"))).toBe("INVALID_AUTH_MGMT");
    auth.disable();
    auth.deleteRole("root");
    expect(auth.user("root")?.roles).toEqual([]);
    auth.deleteUser("root");
    expect(auth.userNames()).toEqual([]);
  });

  it("names what is wrong with a request, and changes nothing then", () => {
    const auth = new AuthState(new MemoryBackend());
    addUser(auth, "alice");
    auth.addRole("reader");
    grant(auth, "reader", Type.READ, "a", "c");
    const { revision } = auth;
    const refused: [StoreErrorCode, () => void][] = [
      ["USER_EMPTY", () => addUser(auth, "")],
      ["USER_EXISTS", () => addUser(auth, "alice")],
      ["USER_NOT_FOUND", () => auth.deleteUser("bob")],
      ["USER_NOT_FOUND", () => auth.changePassword({ name: "bob", password: "", hashedPassword: "" })],
      ["USER_NOT_FOUND", () => auth.grantRole("bob", "reader")],
      ["ROLE_NOT_FOUND", () => auth.grantRole("alice", "writer")],
      ["ROLE_NOT_GRANTED", () => auth.revokeRole("alice", "reader")],
      ["ROLE_EMPTY", () => auth.addRole("")],
      ["ROLE_EXISTS", () => auth.addRole("reader")],
      ["ROLE_NOT_FOUND", () => auth.deleteRole("writer")],
      ["ROLE_NOT_FOUND", () => auth.permissionsOf("writer")],
      ["PERMISSION_NOT_GIVEN", () => auth.grantPermission({ name: "reader", perm: undefined })],
      ["INVALID_AUTH_MGMT", () => grant(auth, "reader", Type.READ, "")],
      ["INVALID_AUTH_MGMT", () => grant(auth, "reader", Type.READ, "b", "a")],
      ["INVALID_AUTH_MGMT", () => grant(auth, "reader", Type.READ, "b", "b")],
      ["ROLE_NOT_FOUND", () => grant(auth, "writer", Type.READ, "a")],
      ["PERMISSION_NOT_GRANTED", () => auth.revokePermission({ role: "reader", key: bytes("a"), rangeEnd: bytes("b") })],
    ];
    for (const [expected, act] of refused) expect(code(act)).toBe(expected);
    expect(auth.revision).toBe(revision);
  });

  it("grants role root without a record of it, and a role only once", () => {
    const auth = new AuthState(new MemoryBackend());
    addUser(auth, "alice", ["root"]);
    const { revision } = auth;
    auth.grantRole("alice", "root");
    expect(auth.revision).toBe(revision);
    auth.addRole("root");
    expect(auth.permissionsOf("root")).toEqual([{ permType: Type.READWRITE, key: bytes(""), rangeEnd: bytes("\0") }]);
  });

  it("lists in byte order", () => {
    const auth = new AuthState(new MemoryBackend());
    for (const name of ["b", "\u{1f600}", "\uffee", "a"]) addUser(auth, name);
    expect(auth.userNames()).toEqual(["a", "b", "\uffee", "\u{1f600}"]);
  });

  it("gives the same answers after a restart", () => {
    const backend = new MemoryBackend();
    const rows = new Map<string, [Uint8Array, Uint8Array]>();
    const put = backend.put.bind(backend);
    backend.put = (table, key, value) => {
      rows.set(Buffer.from(key).toString("hex"), [key, value]);
      put(table, key, value);
    };
    const auth = new AuthState(backend);
    addUser(auth, "root", ["root"]);
    addUser(auth, "alice");
    auth.addRole("reader");
    grant(auth, "reader", Type.READ, "a", "c");
    auth.grantRole("alice", "reader");
    auth.enable();
    const again = new AuthState(new MemoryBackend());
    for (const [key, value] of rows.values()) again.load(key, value);
    expect(again.isEnabled).toBe(true);
    expect(again.revision).toBe(auth.revision);
    expect(again.userNames()).toEqual(["alice", "root"]);
    expect(again.user("alice")?.password.toString()).toBe("hash of alice");
    const alice = { username: "alice", revision: again.revision };
    expect(code(() => again.checkAccess(alice, { start: "b", end: undefined }, "read"))).toBeUndefined();
    expect(code(() => again.checkAccess(alice, { start: "b", end: undefined }, "write"))).toBe("PERMISSION_DENIED");
  });
});

describe("access", () => {
  const check = (auth: AuthState, access: "read" | "write", start: string, end?: string): boolean =>
    code(() => auth.checkAccess({ username: "alice", revision: auth.revision }, { start, end }, access)) === undefined;

  it("joins permissions of all roles, and those that touch", () => {
    const auth = enabled();
    addUser(auth, "alice");
    for (const role of ["one", "two"]) {
      auth.addRole(role);
      auth.grantRole("alice", role);
    }
    grant(auth, "one", Type.READ, "a", "c");
    grant(auth, "two", Type.READWRITE, "c", "e");
    grant(auth, "two", Type.WRITE, "x");
    expect(check(auth, "read", "a", "e")).toBe(true);
    expect(check(auth, "read", "a", "e\0")).toBe(false);
    expect(check(auth, "read", "A", "b")).toBe(false);
    expect(check(auth, "write", "a", "e")).toBe(false);
    expect(check(auth, "write", "c", "e")).toBe(true);
    expect(check(auth, "write", "x")).toBe(true);
    expect(check(auth, "write", "x", "x\0")).toBe(true);
    expect(check(auth, "write", "x", "x\0\0")).toBe(false);
    expect(check(auth, "read", "x")).toBe(false);
    expect(check(auth, "read", "z", "a")).toBe(false);
  });

  it("takes an end of one zero byte for no end", () => {
    const auth = enabled();
    addUser(auth, "alice");
    auth.addRole("tail");
    auth.grantRole("alice", "tail");
    grant(auth, "tail", Type.READ, "m", "\0");
    expect(check(auth, "read", "m", "\u0100")).toBe(true);
    expect(check(auth, "read", "z")).toBe(true);
    expect(check(auth, "read", "l", "\u0100")).toBe(false);
  });

  it("follows a changed permission at once and refuses credentials older than the change", () => {
    const auth = enabled();
    addUser(auth, "alice");
    auth.addRole("reader");
    auth.grantRole("alice", "reader");
    grant(auth, "reader", Type.READ, "a");
    const before = { username: "alice", revision: auth.revision };
    expect(code(() => auth.checkAccess(before, { start: "a", end: undefined }, "read"))).toBeUndefined();
    auth.revokePermission({ role: "reader", key: bytes("a"), rangeEnd: bytes("") });
    expect(code(() => auth.checkAccess(before, { start: "a", end: undefined }, "read"))).toBe("AUTH_OLD_REVISION");
    expect(check(auth, "read", "a")).toBe(false);
  });

  it("tells no credentials, an unknown user and a plain user apart", () => {
    const auth = enabled();
    addUser(auth, "alice");
    const { revision } = auth;
    const key = { start: "a", end: undefined };
    expect(code(() => auth.checkAccess({ username: "", revision: 0 }, key, "read"))).toBe("USER_EMPTY");
    expect(code(() => auth.checkAccess({ username: "bob", revision }, key, "read"))).toBe("PERMISSION_DENIED");
    expect(code(() => auth.checkAccess({ username: "root", revision }, key, "write"))).toBeUndefined();
    expect(code(() => auth.checkAdmin({ username: "", revision: 0 }))).toBe("USER_EMPTY");
    expect(code(() => auth.checkAdmin({ username: "bob", revision }))).toBe("USER_NOT_FOUND");
    expect(code(() => auth.checkAdmin({ username: "alice", revision }))).toBe("PERMISSION_DENIED");
    expect(code(() => auth.checkAdmin({ username: "root", revision }))).toBeUndefined();
  });
});
