// The client against Debian's etcd, as a real process. (The store runs the same client in its own tests.)
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEtcdClient, type EtcdClient, isEtcdError, prefixEnd, type WatchMessage } from "./index.js";

const bytes = (text: string): Buffer => Buffer.from(text);
jest.setTimeout(60_000);

async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 8_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

describe("createEtcdClient() against etcd", () => {
  const folder = mkdtempSync(join(tmpdir(), "lenj-etcd-client-"));
  let [clientURL, peerURL] = ["", ""];
  let server: ChildProcess;
  let client: EtcdClient;

  const startServer = (): void => {
    const urls = [
      "--listen-client-urls",
      clientURL,
      "--advertise-client-urls",
      clientURL,
      "--listen-peer-urls",
      peerURL,
      "--initial-advertise-peer-urls",
      peerURL,
    ];
    server = spawn("etcd", ["--name", "lenj", "--data-dir", join(folder, "data"), ...urls, "--initial-cluster", `lenj=${peerURL}`], {
      stdio: "ignore",
    });
  };
  const killServer = async (): Promise<void> => {
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
  };

  beforeAll(async () => {
    [clientURL, peerURL] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    startServer();
    // The first endpoint answers nobody: every first call moves on.
    client = createEtcdClient({ endpoints: [`http://127.0.0.1:${await freePort()}`, clientURL], callTimeoutMs: 20_000 });
  });

  afterAll(async () => {
    await client.close();
    await killServer();
    rmSync(folder, { recursive: true, force: true });
  });

  async function collect(watch: AsyncIterable<WatchMessage>, count: number): Promise<string[]> {
    const seen: string[] = [];
    for await (const message of watch) {
      for (const event of message.events)
        seen.push(`${event.type}:${event.kv?.key.toString()}@${event.kv?.modRevision}<${event.prevKv?.value.toString() ?? ""}`);
      if (seen.length >= count) break;
    }
    return seen;
  }

  it("waits for a server that is still starting, also with a write", async () => {
    expect((await client.put({ key: bytes("a/0"), value: bytes("0") })).header?.revision).toBe(2);
  });

  it("reads, writes, compares and deletes", async () => {
    await client.put({ key: bytes("b/1"), value: bytes("1") });
    const txn = await client.txn({
      compare: [{ result: 0, target: 0, key: bytes("b/1"), targetUnion: { $case: "version", value: 1n } }],
      success: [{ request: { $case: "requestPut", value: { key: bytes("b/1"), value: bytes("2"), prevKv: true } } }],
    });
    expect(txn.succeeded).toBe(true);
    expect((await client.range({ key: bytes("b/"), rangeEnd: prefixEnd(bytes("b/")) })).kvs.map((kv) => kv.value.toString())).toEqual([
      "2",
    ]);
    expect((await client.deleteRange({ key: bytes("b/1") })).deleted).toBe(1);
  });

  it("keeps many watches on one stream apart and resumes them over a killed server without gap or duplicate", async () => {
    const start = (await client.range({ key: bytes("c") })).header?.revision ?? 0;
    const watches = ["c/1", "c/2"].map((key) => collect(client.watch({ key: bytes(key), startRevision: start + 1, prevKv: true }), 3));
    for (const value of ["x", "y"]) for (const key of ["c/1", "c/2"]) await client.put({ key: bytes(key), value: bytes(value) });
    await killServer();
    startServer();
    for (const key of ["c/1", "c/2"])
      await client.range({ key: bytes(key) }).then(() => client.put({ key: bytes(key), value: bytes("z") }));
    expect(await Promise.all(watches)).toEqual([
      [`0:c/1@${start + 1}<`, `0:c/1@${start + 3}<x`, `0:c/1@${start + 5}<y`],
      [`0:c/2@${start + 2}<`, `0:c/2@${start + 4}<x`, `0:c/2@${start + 6}<y`],
    ]);
  });

  it("says which revision is the oldest left when a watch starts below the compacted one", async () => {
    const revision = (await client.put({ key: bytes("d"), value: bytes("1") })).header?.revision ?? 0;
    await client.compact({ revision, physical: true });
    const failure: unknown = await collect(client.watch({ key: bytes("d"), startRevision: 1 }), 1).catch((error: unknown) => error);
    expect(isEtcdError(failure, "COMPACTED") && failure.compactRevision).toBe(revision);
    await expect(client.range({ key: bytes("d"), revision: 1 })).rejects.toMatchObject({ code: "COMPACTED" });
    await expect(client.range({ key: bytes("d"), revision: revision + 100 })).rejects.toMatchObject({ code: "FUTURE_REVISION" });
  });

  it("grants, renews and revokes leases", async () => {
    const { ID } = await client.leaseGrant({ TTL: 30 });
    expect((await client.leaseKeepAlive({ ID })).TTL).toBe(30);
    await client.leaseRevoke({ ID });
    expect((await client.leaseKeepAlive({ ID })).TTL).toBe(0);
    await expect(client.leaseRevoke({ ID })).rejects.toMatchObject({ code: "LEASE_NOT_FOUND" });
  });

  it("ends a watch with the reason it was aborted for, and everything with CLOSED when closed", async () => {
    const abort = new AbortController();
    const aborted = collect(client.watch({ key: bytes("e"), signal: abort.signal }), 1);
    abort.abort(new Error("no longer wanted"));
    await expect(aborted).rejects.toThrow("no longer wanted");
    const own = createEtcdClient({ endpoints: [clientURL] });
    const closed = collect(own.watch({ key: bytes("e") }), 1);
    await own.range({ key: bytes("e") });
    await own.close();
    await expect(closed).rejects.toMatchObject({ code: "CLOSED" });
  });
});
