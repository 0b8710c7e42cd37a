// Users, roles and permissions at real members, through Debian's etcdctl and through bare gRPC.
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { etcdserverpb } from "@lenj/proto/etcd";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** One call with a token: "ok" or the error's text. */
function call<Request, Response>(
  method: (request: Request, metadata: Metadata, callback: (error: ServiceError | null, response: Response) => void) => unknown,
  request: Request,
  token: string | undefined,
): Promise<{ readonly outcome: string; readonly response: Response | undefined }> {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("token", token);
  return new Promise((resolve) => {
    method(request, metadata, (error, response) =>
      resolve({ outcome: error?.details ?? "ok", response: error === null ? response : undefined }),
    );
  });
}

class Clients {
  readonly kv: etcdserverpb.KVClient;
  readonly watch: etcdserverpb.WatchClient;
  readonly lease: etcdserverpb.LeaseClient;
  readonly maintenance: etcdserverpb.MaintenanceClient;
  readonly cluster: etcdserverpb.ClusterClient;
  readonly auth: etcdserverpb.AuthClient;

  constructor(url: string) {
    const open = <T>(Client: new (address: string, creds: ReturnType<typeof credentials.createInsecure>) => T): T =>
      new Client(new URL(url).host, credentials.createInsecure());
    this.kv = open(etcdserverpb.KVClient);
    this.watch = open(etcdserverpb.WatchClient);
    this.lease = open(etcdserverpb.LeaseClient);
    this.maintenance = open(etcdserverpb.MaintenanceClient);
    this.cluster = open(etcdserverpb.ClusterClient);
    this.auth = open(etcdserverpb.AuthClient);
  }

  async token(name: string, password: string): Promise<string> {
    const { outcome, response } = await call<etcdserverpb.AuthenticateRequest, etcdserverpb.AuthenticateResponse>(
      this.auth.authenticate.bind(this.auth),
      { name, password },
      undefined,
    );
    if (response === undefined) throw new Error(outcome);
    return response.token;
  }

  put(key: string, token: string | undefined, rest: Partial<etcdserverpb.PutRequest> = {}) {
    return call(this.kv.put.bind(this.kv), etcdserverpb.PutRequest.fromPartial({ key: bytes(key), ...rest }), token);
  }

  range(key: string, token: string | undefined, rest: Partial<etcdserverpb.RangeRequest> = {}) {
    return call<etcdserverpb.RangeRequest, etcdserverpb.RangeResponse>(
      this.kv.range.bind(this.kv),
      etcdserverpb.RangeRequest.fromPartial({ key: bytes(key), ...rest }),
      token,
    );
  }

  /** The first answer to a watch. */
  watchAnswer(key: string, rangeEnd: string, token: string | undefined): Promise<etcdserverpb.WatchResponse> {
    const metadata = new Metadata();
    if (token !== undefined) metadata.set("token", token);
    const stream = this.watch.watch(metadata);
    const create = etcdserverpb.WatchCreateRequest.fromPartial({ key: bytes(key), rangeEnd: bytes(rangeEnd) });
    stream.write({ requestUnion: { $case: "createRequest", value: create } });
    return new Promise((resolve, reject) => {
      stream.once("data", (answer: etcdserverpb.WatchResponse) => {
        resolve(answer);
        stream.cancel();
      });
      stream.on("error", reject);
    });
  }

  close(): void {
    for (const client of [this.kv, this.watch, this.lease, this.maintenance, this.cluster, this.auth]) client.close();
  }
}

async function start(flags: readonly string[], members = 1): Promise<StoreCluster> {
  const cluster = await StoreCluster.create({ members, flags: ["--bcrypt-cost", "4", ...flags] });
  cluster.startAll();
  await cluster.becomeHealthy();
  return cluster;
}

/** root, and alice who reads read/ and writes write/. */
function setUpUsers(cluster: StoreCluster): void {
  const steps = [
    ["user", "add", "root:rootpw"],
    ["role", "add", "root"],
    ["user", "grant-role", "root", "root"],
    ["user", "add", "alice:alicepw"],
    ["role", "add", "some"],
    ["role", "grant-permission", "some", "read", "--prefix", "read/"],
    ["role", "grant-permission", "some", "write", "--prefix", "write/"],
    ["role", "grant-permission", "some", "read", "single"],
    ["user", "grant-role", "alice", "some"],
  ];
  for (const step of steps) expect(cluster.etcdctl(step)).toMatchObject({ code: 0 });
}

describe("etcdctl user, role and auth", () => {
  let cluster: StoreCluster;

  beforeAll(async () => {
    cluster = await start([], 3);
  });
  afterAll(() => cluster.close());

  const run = (...args: string[]): string => {
    const { stdout, stderr } = cluster.etcdctl(args);
    return stdout + stderr;
  };

  it("manage users and roles at any member, with etcd's words", () => {
    expect(run("auth", "enable")).toContain("root user does not exist");
    expect(run("user", "add", "root:rootpw")).toBe("User root created\n");
    expect(run("user", "add", "root:rootpw")).toContain("etcdserver: user name already exists");
    expect(run("user", "grant-role", "root", "nothing")).toContain("etcdserver: role name not found");
    expect(run("user", "add", "alice:alicepw")).toBe("User alice created\n");
    expect(run("user", "add", "cn", "--no-password")).toBe("User cn created\n");
    expect(run("role", "add", "some")).toBe("Role some created\n");
    expect(run("role", "grant-permission", "some", "read", "--prefix", "read/")).toBe("Role some updated\n");
    expect(run("role", "grant-permission", "some", "readwrite", "a", "c")).toBe("Role some updated\n");
    expect(run("role", "get", "some")).toContain("KV Read:\n\t[a, c)\n\t[read/, read0) (prefix read/)\nKV Write:\n\t[a, c)");
    expect(run("role", "revoke-permission", "some", "a", "b")).toContain("permission is not granted to the role");
    expect(run("user", "grant-role", "alice", "some")).toContain("granted");
    expect(run("user", "list")).toBe("alice\ncn\nroot\n");
    expect(run("role", "list")).toBe("some\n");
    expect(run("user", "get", "alice")).toBe("User: alice\nRoles: some\n");
    expect(run("--user", "root:rootpw", "put", "k", "v")).toContain("authentication is not enabled");
    // etcdctl gives root its role when the server says that it lacks it.
    expect(run("auth", "enable")).toContain("Authentication Enabled\n");
  });

  it("ask for a user once authentication is on, and hold to permissions", () => {
    expect(run("put", "read/x", "v")).toContain("etcdserver: user name is empty");
    expect(run("--user", "root:wrong", "get", "k")).toContain("authentication failed, invalid user ID or password");
    expect(run("--user", "nobody:wrong", "get", "k")).toContain("authentication failed, invalid user ID or password");
    expect(run("--user", "root:rootpw", "put", "read/x", "v")).toBe("OK\n");
    expect(run("--user", "alice:alicepw", "get", "read/x")).toBe("read/x\nv\n");
    expect(run("--user", "alice:alicepw", "get", "--consistency", "s", "read/x")).toBe("read/x\nv\n");
    expect(run("--user", "alice:alicepw", "put", "read/x", "w")).toContain("etcdserver: permission denied");
    expect(run("--user", "alice:alicepw", "get", "secret")).toContain("etcdserver: permission denied");
    expect(run("--user", "alice:alicepw", "get", "--prefix", "read")).toContain("etcdserver: permission denied");
    expect(run("--user", "alice:alicepw", "member", "list")).toContain("started");
    expect(run("--user", "alice:alicepw", "compaction", "2")).toContain("etcdserver: permission denied");
    expect(run("--user", "alice:alicepw", "user", "list")).toContain("etcdserver: permission denied");
    expect(run("--user", "alice:alicepw", "user", "get", "alice")).toBe("User: alice\nRoles: some\n");
    expect(run("--user", "alice:alicepw", "user", "get", "root")).toContain("etcdserver: permission denied");
    expect(run("--user", "alice:alicepw", "role", "get", "some")).toContain("read/");
    expect(run("member", "list")).toContain("etcdserver: user name is empty");
    expect(run("--user", "root:rootpw", "user", "delete", "root")).toContain("etcdserver: invalid auth management");
    expect(run("--user", "root:rootpw", "user", "revoke-role", "alice", "some")).toContain("revoked");
    expect(run("--user", "alice:alicepw", "get", "read/x")).toContain("etcdserver: permission denied");
  });

  it("keep it all through kill -9 of every member", async () => {
    await Promise.all(cluster.addresses.map(({ name }) => cluster.signal(name, "SIGKILL")));
    cluster.startAll();
    await eventually(() => Promise.resolve(run("--user", "root:rootpw", "get", "read/x") === "read/x\nv\n" ? true : undefined));
    expect(run("put", "read/x", "v")).toContain("etcdserver: user name is empty");
  });

  it("let everybody in again when switched off", () => {
    expect(run("--user", "root:rootpw", "auth", "disable")).toBe("Authentication Disabled\n");
    expect(run("put", "read/x", "v2")).toBe("OK\n");
    expect(run("user", "delete", "alice")).toBe("User alice deleted\n");
  });
});

describe("permissions on the wire", () => {
  let cluster: StoreCluster;
  let clients: Clients;
  let root: string;
  let alice: string;

  beforeAll(async () => {
    cluster = await start([]);
    setUpUsers(cluster);
    expect(cluster.etcdctl(["auth", "enable"]).code).toBe(0);
    clients = new Clients(cluster.endpoints[0] ?? "");
    root = await clients.token("root", "rootpw");
    alice = await clients.token("alice", "alicepw");
  });
  afterAll(async () => {
    clients.close();
    await cluster.close();
  });

  it("refuse a wrong token and, where one is needed, none", async () => {
    expect((await clients.range("read/x", "nonsense")).outcome).toBe("etcdserver: invalid auth token");
    expect((await clients.range("read/x", `${alice}9`)).outcome).toBe("etcdserver: invalid auth token");
    expect((await clients.put("write/x", "nonsense")).outcome).toBe("etcdserver: invalid auth token");
    expect((await clients.range("read/x", undefined)).outcome).toBe("etcdserver: user name is empty");
    expect((await clients.range("read/x", `Bearer ${alice}`)).outcome).toBe("ok");
  });

  it("hold for every call that shows or changes something (CVE-2026-33413)", async () => {
    const { cluster: members, maintenance, lease, auth } = clients;
    const attempts = (token: string | undefined): Record<string, Promise<{ outcome: string }>> => ({
      memberList: call(members.memberList.bind(members), { linearizable: false }, token),
      memberAdd: call(members.memberAdd.bind(members), { peerURLs: ["http://127.0.0.1:1"], isLearner: true }, token),
      status: call(maintenance.status.bind(maintenance), {}, token),
      alarms: call(maintenance.alarm.bind(maintenance), { action: 0, memberID: 0n, alarm: 0 }, token),
      alarm: call(maintenance.alarm.bind(maintenance), { action: 1, memberID: 1n, alarm: 1 }, token),
      defragment: call(maintenance.defragment.bind(maintenance), {}, token),
      hashKV: call(maintenance.hashKv.bind(maintenance), { revision: 0 }, token),
      moveLeader: call(maintenance.moveLeader.bind(maintenance), { targetID: 1n }, token),
      leaseGrant: call(lease.leaseGrant.bind(lease), { TTL: 100, ID: 0n }, token),
      leases: call(lease.leaseLeases.bind(lease), {}, token),
      userList: call(auth.userList.bind(auth), {}, token),
      userAdd: call(auth.userAdd.bind(auth), etcdserverpb.AuthUserAddRequest.fromPartial({ name: "eve" }), token),
      disable: call(auth.authDisable.bind(auth), {}, token),
    });
    for (const outcome of Object.values(attempts(undefined))) expect((await outcome).outcome).toBe("etcdserver: user name is empty");
    const open = new Set(["memberList", "status", "alarms", "leaseGrant", "leases"]);
    for (const [name, outcome] of Object.entries(attempts(alice)))
      expect([name, (await outcome).outcome]).toEqual([name, open.has(name) ? "ok" : "etcdserver: permission denied"]);
  });

  it("hold for transactions that only read, nested ones too (CVE-2026-33343)", async () => {
    const { kv } = clients;
    const read: etcdserverpb.RequestOp = {
      request: { $case: "requestRange", value: etcdserverpb.RangeRequest.fromPartial({ key: bytes("secret"), serializable: true }) },
    };
    const nested: etcdserverpb.RequestOp = { request: { $case: "requestTxn", value: { compare: [], success: [read], failure: [] } } };
    const txn = (success: etcdserverpb.RequestOp[], failure: etcdserverpb.RequestOp[] = []) =>
      call(kv.txn.bind(kv), { compare: [], success, failure }, alice);
    for (const outcome of [txn([read]), txn([nested]), txn([], [nested])])
      expect((await outcome).outcome).toBe("etcdserver: permission denied");
  });

  it("hold for watches, whose refusal is Go's text (GHSA-xg4h-6gfc-h4m8)", async () => {
    const refused = { watchId: -1n, created: true, canceled: true };
    const denied = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
    const wrongToken = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
    expect(await clients.watchAnswer("read/", "read0", alice)).toMatchObject({ created: true, canceled: false, cancelReason: "" });
    expect(await clients.watchAnswer("single", "", alice)).toMatchObject({ created: true, canceled: false });
    const answers = [
      await clients.watchAnswer("single", "\0", alice),
      await clients.watchAnswer("single", "singlf", alice),
      await clients.watchAnswer("", "\0", alice),
    ];
    for (const answer of answers)
      expect({ ...answer, watchId: BigInt(answer.watchId) }).toMatchObject({ ...refused, cancelReason: denied });
    expect((await clients.watchAnswer("single", "", "nonsense")).cancelReason).toBe(wrongToken);
    expect((await clients.watchAnswer("single", "", undefined)).cancelReason).toBe(
      "rpc error: code = InvalidArgument desc = etcdserver: user name is empty",
    );
  });

  it("hold for leases whose keys one may not write or read (etcd issue 21681)", async () => {
    const { lease } = clients;
    const granted = await call(lease.leaseGrant.bind(lease), { TTL: 100, ID: 4711n }, root);
    expect(granted.outcome).toBe("ok");
    expect((await clients.put("secret", root, { lease: 4711n })).outcome).toBe("ok");
    expect((await clients.put("write/x", alice, { lease: 4711n })).outcome).toBe("etcdserver: permission denied");
    const { outcome: seen } = await call(lease.leaseTimeToLive.bind(lease), { ID: 4711n, keys: true }, alice);
    expect(seen).toBe("etcdserver: permission denied");
    expect((await call(lease.leaseTimeToLive.bind(lease), { ID: 4711n, keys: false }, alice)).outcome).toBe("ok");
    expect((await call(lease.leaseLeases.bind(lease), {}, alice)).outcome).toBe("etcdserver: permission denied");
    expect((await call(lease.leaseRevoke.bind(lease), { ID: 4711n }, alice)).outcome).toBe("etcdserver: permission denied");
    const renewal = new Metadata();
    renewal.set("token", alice);
    const stream = lease.leaseKeepAlive(renewal);
    const ended = new Promise<string>((resolve) => stream.on("error", (error: ServiceError) => resolve(error.details)));
    stream.on("data", () => {});
    stream.write({ ID: 4711n });
    expect(await ended).toBe("etcdserver: permission denied");
    expect((await call(lease.leaseRevoke.bind(lease), { ID: 4711n }, root)).outcome).toBe("ok");
  });

  it("still let leases run out, whoever owns their keys", async () => {
    const { lease } = clients;
    await call(lease.leaseGrant.bind(lease), { TTL: 2, ID: 99n }, root);
    await clients.put("secret", root, { lease: 99n });
    await eventually(async () => ((await clients.range("secret", root)).response?.kvs.length === 0 ? true : undefined));
  });

  it("end the tokens of a user whose password changes", async () => {
    const { auth } = clients;
    const changed = etcdserverpb.AuthUserChangePasswordRequest.fromPartial({ name: "alice", password: "new" });
    expect((await call(auth.userChangePassword.bind(auth), changed, root)).outcome).toBe("ok");
    expect((await clients.range("read/x", alice)).outcome).toBe("etcdserver: invalid auth token");
    await expect(clients.token("alice", "alicepw")).rejects.toThrow("authentication failed");
    expect((await clients.range("read/x", await clients.token("alice", "new"))).outcome).toBe("ok");
    const long = etcdserverpb.AuthUserChangePasswordRequest.fromPartial({ name: "alice", password: "x".repeat(73) });
    expect((await call(auth.userChangePassword.bind(auth), long, root)).outcome).toBe("bcrypt: password length exceeds 72 bytes");
  });
});

describe("tokens", () => {
  it("of one member are known at the others at once", async () => {
    const cluster = await start([], 3);
    setUpUsers(cluster);
    expect(cluster.etcdctl(["auth", "enable"]).code).toBe(0);
    const all = cluster.endpoints.map((url) => new Clients(url));
    for (const from of all) {
      const token = await from.token("alice", "alicepw");
      for (const to of all) expect((await to.range("read/x", token, { serializable: true })).outcome).toBe("ok");
    }
    for (const clients of all) clients.close();
    await cluster.close();
  });

  it("may be signed instead, and then carry the revision they were made at", async () => {
    const folder = mkdtempSync(join(tmpdir(), "lenj-jwt-"));
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(join(folder, "key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    writeFileSync(join(folder, "pub.pem"), publicKey.export({ type: "spki", format: "pem" }));
    const spec = `jwt,pub-key=${join(folder, "pub.pem")},priv-key=${join(folder, "key.pem")},sign-method=RS256,ttl=10m`;
    const cluster = await start(["--auth-token", spec]);
    setUpUsers(cluster);
    expect(cluster.etcdctl(["auth", "enable"]).code).toBe(0);
    const clients = new Clients(cluster.endpoints[0] ?? "");
    const token = await clients.token("alice", "alicepw");
    expect(token.split(".")).toHaveLength(3);
    expect((await clients.range("read/x", token)).outcome).toBe("ok");
    expect((await clients.put("write/x", token)).outcome).toBe("ok");
    expect(cluster.etcdctl(["--user", "root:rootpw", "role", "grant-permission", "some", "read", "other"]).code).toBe(0);
    expect((await clients.range("read/x", token)).outcome).toBe("etcdserver: revision of auth store is old");
    expect((await clients.put("write/x", token)).outcome).toBe("etcdserver: revision of auth store is old");
    // etcdctl asks for a new one by itself.
    expect(cluster.etcdctl(["--user", "alice:alicepw", "get", "read/x"]).code).toBe(0);
    clients.close();
    await cluster.close();
    rmSync(folder, { recursive: true });
  });
});
