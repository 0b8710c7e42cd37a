// What the client address answers over HTTP/1.1: the JSON gateway beside Debian's etcd, health, version and metrics; and gRPC on the same port.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { healthpb } from "@lenj/proto/etcd";
import { eventually, freePort, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

const base64 = (text: string): string => Buffer.from(text).toString("base64");

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
  /** The body as JSON, without what differs from cluster to cluster. */
  readonly json: Record<string, unknown>;
}

async function ask(url: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    ...(body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
    headers,
  });
  const text = await response.text();
  let json: Record<string, unknown> = {};
  try {
    json = JSON.parse(text, (key, value: unknown) =>
      ["cluster_id", "member_id", "raft_term"].includes(key) ? undefined : value,
    ) as typeof json;
  } catch {
    // Plain text.
  }
  return { status: response.status, type: response.headers.get("content-type"), text, json };
}

/** The first `count` lines of a stream, which is then left. */
async function lines(url: string, path: string, body: string, count: number): Promise<unknown[]> {
  const stop = new AbortController();
  const response = await fetch(`${url}${path}`, { method: "POST", body, signal: stop.signal });
  let text = "";
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(part).toString();
    if (text.split("\n").length > count) break;
  }
  stop.abort();
  return text
    .split("\n")
    .slice(0, count)
    .map((line) => JSON.parse(line, (key, value: unknown) => (key === "header" ? undefined : value)) as unknown);
}

describe("HTTP at the client address", () => {
  let cluster: StoreCluster;
  let url: string;
  let etcd: ChildProcess;
  let etcdURL: string;
  let folder: string;

  beforeAll(async () => {
    cluster = await StoreCluster.create({ members: 1, flags: ["--bcrypt-cost", "4"] });
    cluster.startAll();
    url = cluster.endpoints[0] ?? "";
    folder = mkdtempSync(join(tmpdir(), "lenj-etcd-"));
    etcdURL = `http://127.0.0.1:${await freePort()}`;
    const peerURL = `http://127.0.0.1:${await freePort()}`;
    etcd = spawn("etcd", [
      ...["--data-dir", folder, "--listen-client-urls", etcdURL, "--advertise-client-urls", etcdURL, "--listen-peer-urls", peerURL],
      ...["--initial-advertise-peer-urls", peerURL, "--initial-cluster", `default=${peerURL}`],
    ]);
    for (const address of [url, etcdURL])
      await eventually(async () => ((await ask(address, "/health")).json["health"] === "true" ? true : undefined));
  });

  afterAll(async () => {
    const exited = once(etcd, "exit");
    etcd.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true, force: true });
    await cluster.close();
  });

  it("answers JSON as etcd does", async () => {
    const key = base64("foo");
    const txn = {
      compare: [{ result: "EQUAL", target: "CREATE", key: base64("txn"), createRevision: "0" }],
      success: [{ requestPut: { key: base64("txn"), value: base64("v") } }, { request_range: { key } }],
      failure: [{ request_delete_range: { key: base64("txn") } }],
    };
    const requests: [path: string, body: unknown][] = [
      ["/v3/kv/put", { key, value: base64("bar") }],
      ["/v3/kv/put", { key, value: base64("baz"), prev_kv: true }],
      ["/v3/kv/range", { key }],
      ["/v3/kv/range", { key, sort_order: "DESCEND", sort_target: 1, limit: "5", ignored: true }],
      ["/v3/kv/range", { key, rangeEnd: base64("\0"), countOnly: true }],
      ["/v3/kv/range", { key: base64("none") }],
      ["/v3/kv/txn", txn],
      ["/v3/kv/txn", txn],
      ["/v3/kv/deleterange", { key: base64("none") }],
      ["/v3/lease/grant", { TTL: "100", ID: 7 }],
      ["/v3/lease/timetolive", { ID: "7", keys: true }],
      ["/v3/kv/lease/leases", {}],
      ["/v3/lease/leases", {}],
      ["/v3/kv/lease/revoke", { ID: "7" }],
      ["/v3/auth/user/add", { name: "u", password: "p" }],
      ["/v3/auth/user/list", {}],
      ["/v3/auth/role/add", { name: "r" }],
      ["/v3/auth/role/grant", { name: "r", perm: { permType: "READWRITE", key, range_end: base64("g") } }],
      ["/v3/auth/role/get", { role: "r" }],
      ["/v3/auth/user/grant", { user: "u", role: "r" }],
      ["/v3/auth/user/get", { name: "u" }],
      ["/v3/kv/compaction", { revision: "2" }],
      ["/v3beta/kv/range", { key }],
    ];
    for (const [path, body] of requests) {
      const [ours, theirs] = [await ask(url, path, body), await ask(etcdURL, path, body)];
      expect({ path, ...ours.json }).toEqual({ path, ...theirs.json });
      expect([ours.status, ours.type]).toEqual([theirs.status, theirs.type]);
    }
  });

  it("says what is wrong, with the code of gRPC and one of HTTP", async () => {
    const key = base64("foo");
    const failed = async (path: string, body: unknown): Promise<[number, unknown, unknown]> => {
      const { status, json } = await ask(url, path, body);
      expect(json["details"]).toEqual([]);
      expect(json["error"]).toBe(json["message"]);
      return [status, json["code"], json["message"]];
    };
    expect(await failed("/v3/kv/range", { key, revision: "9999" })).toEqual([
      ...[400, 11, "etcdserver: mvcc: required revision is a future revision"],
    ]);
    expect(await failed("/v3/kv/range", {})).toEqual([400, 3, "etcdserver: key is not provided"]);
    expect(await failed("/v3/lease/revoke", { ID: 99 })).toEqual([404, 5, "etcdserver: requested lease not found"]);
    expect(await failed("/v3/auth/enable", {})).toEqual([400, 9, "etcdserver: root user does not exist"]);
    expect((await failed("/v3/kv/range", '{"ke')).slice(0, 2)).toEqual([400, 3]);
    expect((await failed("/v3/kv/range", { key: 5 })).slice(0, 2)).toEqual([400, 3]);
    expect(await failed("/v3/nothing", {})).toEqual([404, 5, "Not Found"]);
    expect((await ask(url, "/v3/kv/range")).status).toBe(501);
    expect((await ask(url, "/nothing")).status).toBe(404);
  });

  it("streams watches and renewals, a line for each answer", async () => {
    await ask(url, "/v3/kv/put", { key: base64("watched"), value: base64("1") });
    const revision = (await ask(url, "/v3/kv/range", { key: base64("watched") })).json["kvs"] as [{ mod_revision: string }];
    const start = revision[0].mod_revision;
    const create = JSON.stringify({ create_request: { key: base64("watched"), start_revision: start } });
    const [created, event] = await lines(url, "/v3/watch", create, 2);
    expect(created).toEqual({ result: { created: true } });
    expect(event).toMatchObject({ result: { events: [{ kv: { key: base64("watched"), value: base64("1"), version: "1" } }] } });
    expect(await lines(url, "/v3/lease/keepalive", '{"ID":5}', 1)).toEqual([{ result: { ID: "5" } }]);
    expect((await ask(url, "/v3/watch", "nonsense{")).status).toBe(400);
  });

  it("tells its health in each of etcd's ways", async () => {
    expect(await ask(url, "/health")).toMatchObject({ status: 200, json: { health: "true", reason: "" } });
    expect(await ask(url, "/health?serializable=true")).toMatchObject({ status: 200 });
    expect(await ask(url, "/health", {})).toMatchObject({ status: 405 });
    expect(await ask(url, "/livez")).toMatchObject({ status: 200, text: "ok\n" });
    expect(await ask(url, "/livez?verbose")).toMatchObject({ text: "[+]serializable_read ok\nok\n" });
    expect((await ask(url, "/readyz?verbose")).text).toBe(
      "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n",
    );
    expect((await ask(url, "/readyz?verbose&exclude=non_learner")).text).not.toContain("non_learner");
    expect(await ask(url, "/readyz/linearizable_read")).toMatchObject({ status: 200, text: "ok\n" });
    expect(await ask(url, "/readyz/nothing")).toMatchObject({ status: 404 });
    const { json } = await eventually(async () => {
      const answer = await ask(url, "/version");
      return answer.json["etcdcluster"] === "not_decided" ? undefined : answer;
    });
    expect(json).toEqual({ etcdserver: "3.6.0", etcdcluster: "3.6.0", storage: "3.6.0" });
    expect((await ask(url, "/metrics")).text).toContain("\netcd_server_has_leader 1\n");
    await ask(url, "/v3/maintenance/alarm", { action: "ACTIVATE", memberID: "1", alarm: "NOSPACE" });
    expect(await ask(url, "/health")).toMatchObject({ status: 503, json: { health: "false", reason: "ALARM NOSPACE" } });
    expect(await ask(url, "/health?exclude=NOSPACE")).toMatchObject({ status: 200 });
    expect(await ask(url, "/readyz")).toMatchObject({ status: 200 });
    await ask(url, "/v3/maintenance/alarm", { action: "DEACTIVATE", memberID: "1", alarm: "NOSPACE" });
    await ask(url, "/v3/maintenance/alarm", { action: "ACTIVATE", memberID: "1", alarm: "CORRUPT" });
    expect(await ask(url, "/readyz")).toMatchObject({ status: 503 });
    expect((await ask(url, "/readyz/data_corruption")).text).toContain("[-]data_corruption failed: alarm activated: CORRUPT\n");
    await ask(url, "/v3/maintenance/alarm", { action: "DEACTIVATE", memberID: "1", alarm: "CORRUPT" });
  });

  it("lets a connection stand between two scrapes", async () => {
    const response = await fetch(`${url}/metrics`);
    await response.text();
    expect(response.headers.get("keep-alive")).toBe("timeout=300");
  });

  it("answers gRPC's own health question on the same port", async () => {
    const client = new healthpb.HealthClient(new URL(url).host, credentials.createInsecure());
    const check = (service: string): Promise<unknown> =>
      new Promise((resolve) => client.check({ service }, (error, response) => resolve(error?.code ?? response.status)));
    expect(await check("")).toBe(1);
    expect(await check("etcdserverpb.KV")).toBe(5);
    client.close();
  });

  it("takes the token of the authorization header", async () => {
    for (const [path, body] of [
      ["user/add", { name: "root", password: "pw" }],
      ["user/grant", { user: "root", role: "root" }],
      ["enable", {}],
    ] as const)
      expect(await ask(url, `/v3/auth/${path}`, body)).toMatchObject({ status: 200 });
    const range = { key: base64("foo") };
    expect((await ask(url, "/v3/kv/range", range)).json).toMatchObject({ code: 3, message: "etcdserver: user name is empty" });
    const { token } = (await ask(url, "/v3/auth/authenticate", { name: "root", password: "pw" })).json as { token: string };
    expect(await ask(url, "/v3/kv/range", range, { authorization: token })).toMatchObject({ status: 200 });
    expect(await ask(url, "/v3/kv/range", range, { authorization: `Bearer ${token}` })).toMatchObject({ status: 200 });
    const wrong = await ask(url, "/v3/kv/range", range, { authorization: "wrong" });
    expect([wrong.status, wrong.json["message"]]).toEqual([401, "etcdserver: invalid auth token"]);
    expect(await ask(url, "/health")).toMatchObject({ status: 200 });
  });
});
