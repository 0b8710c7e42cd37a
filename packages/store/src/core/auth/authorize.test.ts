// Holes that etcd once had, and that must stay closed here, each at the place where every member decides: applying the entry.
import { MemoryBackend } from "@lenj/mvcc/testing";
import { authpb, etcdserverpb } from "@lenj/proto/etcd";
import { isStoreError } from "../errors.js";
import { StateMachine } from "../state-machine.js";
import { authorizeLeaseRead, authorizeRange, authorizeRoleGet, authorizeUserGet } from "./authorize.js";

const { Permission_Type: Type } = authpb;
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

class World {
  readonly state = new StateMachine({ backend: new MemoryBackend() });
  #index = 0;

  constructor() {
    this.asRoot({ authUserAdd: { name: "root", password: "", hashedPassword: "", options: undefined } });
    this.asRoot({ authUserGrantRole: { user: "root", role: "root" } });
    this.asRoot({ authUserAdd: { name: "alice", password: "", hashedPassword: "", options: undefined } });
    this.asRoot({ authRoleAdd: { name: "some" } });
    this.asRoot({ authUserGrantRole: { user: "alice", role: "some" } });
    this.grant(Type.READ, "read/", "read0");
    this.grant(Type.WRITE, "write/", "write0");
    this.asRoot({ authEnable: {} });
    this.asRoot({ put: put("secret/x") });
  }

  grant(permType: authpb.Permission_Type, key: string, rangeEnd: string): void {
    this.asRoot({ authRoleGrantPermission: { name: "some", perm: { permType, key: bytes(key), rangeEnd: bytes(rangeEnd) } } });
  }

  asRoot(command: Parameters<StateMachine["apply"]>[0]): string {
    return this.as("root", command);
  }

  /** "ok", or the code of the refusal. */
  as(username: string, command: Parameters<StateMachine["apply"]>[0], revision = this.state.auth.revision): string {
    this.#index += 1;
    const header = username === "" ? {} : { header: { ID: 0n, username, authRevision: revision } };
    return outcome(() => this.state.apply({ ...header, ...command }, { index: this.#index, nowMs: 0, events: [] }));
  }
}

function outcome(act: () => unknown): string {
  try {
    act();
    return "ok";
  } catch (error) {
    if (isStoreError(error)) return error.code;
    throw error;
  }
}

const put = (key: string, rest: Partial<etcdserverpb.PutRequest> = {}): etcdserverpb.PutRequest =>
  etcdserverpb.PutRequest.fromPartial({ key: bytes(key), value: bytes("v"), ...rest });
const range = (key: string, rangeEnd = ""): etcdserverpb.RangeRequest =>
  etcdserverpb.RangeRequest.fromPartial({ key: bytes(key), rangeEnd: bytes(rangeEnd) });
const opRange = (key: string): etcdserverpb.RequestOp => ({ request: { $case: "requestRange", value: range(key) } });
const opPut = (key: string, rest: Partial<etcdserverpb.PutRequest> = {}): etcdserverpb.RequestOp => ({
  request: { $case: "requestPut", value: put(key, rest) },
});
const opDelete = (key: string, prevKv = false): etcdserverpb.RequestOp => ({
  request: { $case: "requestDeleteRange", value: { key: bytes(key), rangeEnd: bytes(""), prevKv } },
});
const txn = (parts: Partial<etcdserverpb.TxnRequest>): etcdserverpb.TxnRequest => ({ compare: [], success: [], failure: [], ...parts });
const opTxn = (parts: Partial<etcdserverpb.TxnRequest>): etcdserverpb.RequestOp => ({
  request: { $case: "requestTxn", value: txn(parts) },
});

describe("permissions when an entry is applied", () => {
  it("lets through what is permitted, and nothing without credentials", () => {
    const world = new World();
    expect(world.as("alice", { put: put("write/a") })).toBe("ok");
    expect(world.as("alice", { put: put("read/a") })).toBe("PERMISSION_DENIED");
    expect(world.as("alice", { put: put("secret/x") })).toBe("PERMISSION_DENIED");
    expect(world.as("", { put: put("write/a") })).toBe("USER_EMPTY");
    expect(world.as("alice", { deleteRange: { key: bytes("write/"), rangeEnd: bytes("write0"), prevKv: false } })).toBe("ok");
    expect(world.as("alice", { deleteRange: { key: bytes("write/"), rangeEnd: bytes("x"), prevKv: false } })).toBe("PERMISSION_DENIED");
  });

  it("refuses what was checked before the permissions changed", () => {
    const world = new World();
    const before = world.state.auth.revision;
    world.grant(Type.WRITE, "more", "");
    expect(world.as("alice", { put: put("write/a") }, before)).toBe("AUTH_OLD_REVISION");
  });

  it("looks into compares and both branches of a transaction, nested ones included (CVE-2026-33343)", () => {
    const world = new World();
    const compare = etcdserverpb.Compare.fromPartial({ key: bytes("secret/x") });
    const wide = etcdserverpb.Compare.fromPartial({ key: bytes("read/"), rangeEnd: bytes("\0") });
    expect(world.as("alice", { txn: txn({ compare: [compare] }) })).toBe("PERMISSION_DENIED");
    expect(world.as("alice", { txn: txn({ compare: [wide] }) })).toBe("PERMISSION_DENIED");
    for (const hidden of [opRange("secret/x"), opPut("secret/x"), opDelete("secret/x")]) {
      expect(world.as("alice", { txn: txn({ success: [hidden] }) })).toBe("PERMISSION_DENIED");
      expect(world.as("alice", { txn: txn({ failure: [hidden] }) })).toBe("PERMISSION_DENIED");
      expect(world.as("alice", { txn: txn({ success: [opTxn({ failure: [opTxn({ success: [hidden] })] })] }) })).toBe("PERMISSION_DENIED");
    }
    expect(world.as("alice", { txn: txn({ success: [opTxn({ compare: [compare] })] }) })).toBe("PERMISSION_DENIED");
    expect(world.as("alice", { txn: txn({ success: [opTxn({ success: [opPut("write/a")] }), opRange("read/a")] }) })).toBe("ok");
  });

  it("asks for READ before it gives the previous value back", () => {
    const world = new World();
    expect(world.as("alice", { put: put("write/a", { prevKv: true }) })).toBe("PERMISSION_DENIED");
    expect(world.as("alice", { deleteRange: { key: bytes("write/a"), rangeEnd: bytes(""), prevKv: true } })).toBe("PERMISSION_DENIED");
    expect(world.as("alice", { txn: txn({ success: [opPut("write/a", { prevKv: true })] }) })).toBe("PERMISSION_DENIED");
    expect(world.as("alice", { txn: txn({ success: [opDelete("write/a", true)] }) })).toBe("PERMISSION_DENIED");
  });

  it("neither adds to nor revokes a lease with keys that the user may not write (etcd issue 21681)", () => {
    const world = new World();
    world.asRoot({ leaseGrant: { ID: 7n, TTL: 100 } });
    world.asRoot({ put: put("secret/leased", { lease: 7n }) });
    expect(world.as("alice", { put: put("write/a", { lease: 7n }) })).toBe("PERMISSION_DENIED");
    expect(world.as("alice", { txn: txn({ success: [opPut("write/a", { lease: 7n })] }) })).toBe("PERMISSION_DENIED");
    expect(world.as("alice", { leaseRevoke: { ID: 7n } })).toBe("PERMISSION_DENIED");
    const alice = { username: "alice", revision: world.state.auth.revision };
    expect(outcome(() => authorizeLeaseRead(world.state, alice, 7n))).toBe("PERMISSION_DENIED");
    world.asRoot({ leaseGrant: { ID: 8n, TTL: 100 } });
    expect(world.as("alice", { put: put("write/a", { lease: 8n }) })).toBe("ok");
    expect(world.as("alice", { leaseRevoke: { ID: 8n } })).toBe("ok");
    expect(world.asRoot({ leaseRevoke: { ID: 7n } })).toBe("ok");
  });

  it("does not take the right to one key for the right to all that follow (GHSA-xg4h-6gfc-h4m8)", () => {
    const world = new World();
    world.grant(Type.READ, "single", "");
    const alice = { username: "alice", revision: world.state.auth.revision };
    expect(outcome(() => authorizeRange(world.state, alice, range("single")))).toBe("ok");
    expect(outcome(() => authorizeRange(world.state, alice, range("single", "\0")))).toBe("PERMISSION_DENIED");
    expect(outcome(() => authorizeRange(world.state, alice, range("single", "singlf")))).toBe("PERMISSION_DENIED");
  });

  it("keeps the management of users to administrators, but lets users see themselves", () => {
    const world = new World();
    expect(world.as("alice", { authUserAdd: { name: "eve", password: "", hashedPassword: "", options: undefined } })).toBe(
      "PERMISSION_DENIED",
    );
    expect(world.as("alice", { authUserChangePassword: { name: "alice", password: "", hashedPassword: "" } })).toBe("PERMISSION_DENIED");
    expect(world.as("", { authDisable: {} })).toBe("USER_EMPTY");
    expect(world.as("eve", { authDisable: {} })).toBe("USER_NOT_FOUND");
    const alice = { username: "alice", revision: world.state.auth.revision };
    expect(outcome(() => authorizeUserGet(world.state, alice, "alice"))).toBe("ok");
    expect(outcome(() => authorizeUserGet(world.state, alice, "root"))).toBe("PERMISSION_DENIED");
    expect(outcome(() => authorizeRoleGet(world.state, alice, "some"))).toBe("ok");
    expect(outcome(() => authorizeRoleGet(world.state, alice, "root"))).toBe("PERMISSION_DENIED");
  });

  it("changes nothing when it refuses", () => {
    const world = new World();
    const revision = world.state.space.currentRevision;
    world.as("alice", { txn: txn({ success: [opPut("write/a"), opPut("secret/x")] }) });
    expect(world.state.space.currentRevision).toBe(revision);
  });
});

describe("simple tokens", () => {
  it("are known to every member that applied their entry, until their user's password changes", () => {
    const world = new World();
    const state = world.state;
    const answer = state.apply({ authenticate: { name: "alice", password: "", simpleToken: "abc" } }, { index: 99, nowMs: 0, events: [] });
    expect(answer).toMatchObject({ kind: "authenticate", token: "abc.99", username: "alice", authRevision: state.auth.revision });
    expect(state.tokens.use("abc.99", 1)).toBe("alice");
    world.asRoot({ authUserChangePassword: { name: "alice", password: "", hashedPassword: "" } });
    expect(state.tokens.use("abc.99", 2)).toBeUndefined();
  });

  it("live on while they are used and end when they are not", () => {
    const { state } = new World();
    state.tokens.assign("a.1", "alice", 0);
    expect(state.tokens.use("a.1", 299_999)).toBe("alice");
    expect(state.tokens.use("a.1", 599_998)).toBe("alice");
    expect(state.tokens.use("a.1", 899_998)).toBeUndefined();
    state.tokens.assign("b.1", "alice", 900_000);
    state.tokens.assign("c.1", "alice", 1_300_000);
    expect(state.tokens.size).toBe(1);
  });
});
