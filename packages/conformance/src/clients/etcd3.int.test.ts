// The npm client "etcd3" against three members: over plain HTTP, and over TLS as users with and without permission.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority, issueCertificate } from "@lenj/component-base/pki";
import { eventually, StoreCluster } from "@lenj/store/testing";
import { Etcd3, EtcdAuthenticationFailedError, EtcdLockFailedError, EtcdPermissionDeniedError, EtcdRoleExistsError } from "etcd3";

jest.setTimeout(120_000);

/** Only then may a client try: it shuns a host for five seconds that refused it thrice. */
async function started(cluster: StoreCluster): Promise<void> {
  for (const { name } of cluster.addresses)
    await eventually(() => Promise.resolve(cluster.log(name).includes("Serving") ? true : undefined));
}

describe("etcd3, plain", () => {
  let cluster: StoreCluster;
  let client: Etcd3;

  beforeAll(async () => {
    cluster = await StoreCluster.create({ members: 3 });
    cluster.startAll();
    await started(cluster);
    client = new Etcd3({ hosts: cluster.endpoints });
  });

  beforeEach(async () => {
    await client.delete().all();
  });

  afterAll(async () => {
    client.close();
    await cluster.close();
  });

  it("reads and writes values of each kind", async () => {
    await client.put("text").value("bar");
    await client.put("number").value(42);
    await client.put("json").value(JSON.stringify({ a: 1 }));
    await client.put("bytes").value(Buffer.of(0, 255));
    expect(await client.get("text")).toBe("bar");
    expect(await client.get("number").number()).toBe(42);
    expect(await client.get("json").json()).toEqual({ a: 1 });
    expect(await client.get("bytes").buffer()).toEqual(Buffer.of(0, 255));
    expect(await client.get("none")).toBeNull();
    expect(await client.get("text").exists()).toBe(true);
    expect((await client.put("text").value("baz").getPrevious()).value.toString()).toBe("bar");
    const { header } = await client.put("text").touch();
    expect((await client.get("text").exec()).kvs[0]).toMatchObject({ mod_revision: header.revision, version: "3" });
    expect(await client.get("text").revision(Number(header.revision) - 2)).toBe("bar");
    await expect(client.get("text").revision(Number(header.revision) + 1)).rejects.toThrow("required revision is a future revision");
  });

  it("ranges: prefixes, limits, sorts, counts and bounds on revisions", async () => {
    const { header } = await client.put("p/1").value("c");
    await client.put("p/2").value("b");
    await client.put("p/3").value("a");
    await client.put("q").value("d");
    const all = () => client.getAll().prefix("p/");
    expect(await all().strings()).toEqual({ "p/1": "c", "p/2": "b", "p/3": "a" });
    expect(await all().sort("Key", "Descend").limit(2).keys()).toEqual(["p/3", "p/2"]);
    expect(await all().sort("Value", "Ascend").keys()).toEqual(["p/3", "p/2", "p/1"]);
    expect(await all().count()).toBe(3);
    expect(await client.getAll().all().count()).toBe(4);
    expect(await client.getAll().inRange({ start: "p/2", end: "q" }).keys()).toEqual(["p/2", "p/3"]);
    expect(await client.getAll().all().serializable(true).keys()).toHaveLength(4);
    const first = Number(header.revision);
    expect(
      await all()
        .minModRevision(first + 1)
        .maxModRevision(first + 1)
        .keys(),
    ).toEqual(["p/2"]);
    expect(
      await all()
        .minCreateRevision(first + 2)
        .keys(),
    ).toEqual(["p/3"]);
    expect((await client.delete().prefix("p/").getPrevious()).map(({ key }) => key.toString())).toEqual(["p/1", "p/2", "p/3"]);
    expect((await client.delete().key("q").exec()).deleted).toBe("1");
  });

  it("transactions: if, and, then, else", async () => {
    await client.put("a").value("1");
    const move = (from: string, to: string) =>
      client
        .if("a", "Value", "==", from)
        .and("a", "Version", ">", 0)
        .then(client.put("a").value(to), client.get("a"))
        .else(client.get("a"))
        .commit();
    const done = await move("1", "2");
    expect(done.succeeded).toBe(true);
    expect(done.responses[1]?.response_range.kvs[0]?.value.toString()).toBe("2");
    expect((await move("1", "3")).succeeded).toBe(false);
    expect((await client.if("b", "Create", "==", 0).then(client.put("b").value("new")).commit()).succeeded).toBe(true);
    expect((await client.if("b", "Mod", "<", 1).then(client.delete().key("b")).commit()).succeeded).toBe(false);
    expect(await client.getAll().all().strings()).toEqual({ a: "2", b: "new" });
  });

  it("namespaces keep to their prefix", async () => {
    const inner = client.namespace("team/").namespace("x/");
    await inner.put("key").value("1");
    await client.put("outside").value("2");
    expect(await client.get("team/x/key")).toBe("1");
    expect(await inner.getAll().all().strings()).toEqual({ key: "1" });
    expect((await inner.delete().all()).deleted).toBe("1");
    expect(await client.get("outside")).toBe("2");
  });

  it("leases: kept alive, lost when revoked elsewhere", async () => {
    const lease = client.lease(5);
    const renewed = once(lease, "keepaliveSucceeded");
    await lease.put("leased").value("1");
    const id = await lease.grant();
    await renewed;
    expect((await lease.keepaliveOnce()).TTL).toBe("5");
    const lost = once(lease, "lost");
    await client.leaseClient.leaseRevoke({ ID: id });
    expect(((await lost) as [Error])[0].message).toMatch(/lease|expired|invalid/i);
    expect(lease.revoked()).toBe(true);
    expect(await client.get("leased")).toBeNull();
    const own = client.lease(60);
    await own.put("own").value("1");
    await own.revoke();
    expect(await client.get("own")).toBeNull();
  });

  it("locks: one holder, free again after release and when the holder's function ends", async () => {
    const [first, second] = [client.lock("l").ttl(10), client.lock("l").ttl(10)];
    await first.acquire();
    await expect(second.acquire()).rejects.toBeInstanceOf(EtcdLockFailedError);
    await first.release();
    expect(await second.do(() => client.getAll().prefix("l").count())).toBe(1);
    expect(await client.getAll().prefix("l").count()).toBe(0);
  });

  it("software transactions: concurrent increments are all counted", async () => {
    await client.put("counter").value(0);
    const increment = () =>
      client.stm({ retries: 1_000 }).transact(async (tx) => {
        const value = (await tx.get("counter").number()) ?? 0;
        await tx.put("counter").value(value + 1);
      });
    await Promise.all(Array.from({ length: 10 }, increment));
    expect(await client.get("counter").number()).toBe(10);
  });

  it("elections: observed, proclaimed, resigned, won by the next", async () => {
    const election = client.election("e", 10);
    const first = election.campaign("one");
    await first.wait();
    const observer = await election.observe();
    expect(observer.leader()).toBe("one");
    const proclaimed = once(observer, "change");
    await first.proclaim("uno");
    expect(await proclaimed).toEqual(["uno"]);
    const second = election.campaign("two");
    const changed = eventually(() => Promise.resolve(observer.leader() === "two" ? true : undefined));
    await first.resign();
    await second.wait();
    await changed;
    expect(await election.leader()).toBe("two");
    await observer.cancel();
    await second.resign();
  });

  it("watches: puts, deletes, what was before, types left out, from a revision on", async () => {
    const { header } = await client.put("w/1").value("old");
    // Not create(): what is past comes with the next message, before anybody could listen.
    const watcher = client.watch().prefix("w/").withPreviousKV().startRevision(header.revision).watcher();
    const puts = client.watch().prefix("w/").only("put").watcher();
    const begun = [watcher, puts].map((each) => once(each, "connected"));
    const seen: string[] = [];
    const onlyPuts: string[] = [];
    watcher.on("put", (kv, previous) => seen.push(`${kv.key}=${kv.value} was ${previous?.value}`));
    watcher.on("delete", (kv, previous) => seen.push(`${kv.key} gone, was ${previous?.value}`));
    puts.on("put", (kv) => onlyPuts.push(String(kv.value)));
    puts.on("delete", () => onlyPuts.push("deleted"));
    await Promise.all(begun);
    await client.put("w/1").value("new");
    await client.delete().key("w/1");
    await client.put("w/1").value("end");
    await eventually(() => Promise.resolve(seen.length === 4 && onlyPuts.length === 2 ? true : undefined));
    expect(seen).toEqual(["w/1=old was undefined", "w/1=new was old", "w/1 gone, was new", "w/1=end was undefined"]);
    expect(onlyPuts).toEqual(["new", "end"]);
    await watcher.cancel();
    await puts.cancel();
  });

  it("watches go on, without a gap, when the member is killed", async () => {
    const alone = new Etcd3({ hosts: cluster.endpoints });
    try {
      const watcher = await alone.watch().prefix("k/").create();
      const seen: string[] = [];
      watcher.on("put", (kv) => seen.push(kv.key.toString()));
      let written = 0;
      const writeOne = async (): Promise<true> => {
        await client.put(`k/${String(written).padStart(3, "0")}`).value("1");
        written += 1;
        return true;
      };
      for (const { name } of cluster.addresses) {
        for (let count = 0; count < 5; count += 1) await eventually(writeOne);
        await cluster.signal(name, "SIGKILL");
        for (let count = 0; count < 5; count += 1) await eventually(writeOne);
        cluster.start(name);
        await cluster.becomeHealthy();
      }
      const wanted = Array.from({ length: written }, (_, number) => `k/${String(number).padStart(3, "0")}`);
      await eventually(() => Promise.resolve(new Set(seen).size === written ? true : undefined));
      // A put whose answer was lost is sent again by the test, and then seen twice.
      expect([...new Set(seen)]).toEqual(wanted);
    } finally {
      alone.close();
    }
  });

  it("maintenance and members", async () => {
    expect((await client.cluster.memberList({})).members.map(({ name }) => name).sort()).toEqual(["s1", "s2", "s3"]);
    expect(await client.maintenance.status()).toMatchObject({ version: expect.stringMatching(/^3\.\d+\.\d+$/) as string });
  });
});

describe("etcd3, TLS and users", () => {
  it("authenticates, and may do what its roles say", async () => {
    const folder = mkdtempSync(join(tmpdir(), "lenj-etcd3-"));
    const { ca, flags } = await serverCertificates(folder);
    const cluster = await StoreCluster.create({ members: 3, scheme: "https", flags });
    const clients: Etcd3[] = [];
    const connect = (auth?: { username: string; password: string }): Etcd3 => {
      const client = new Etcd3({ hosts: cluster.endpoints, credentials: { rootCertificate: ca }, ...(auth === undefined ? {} : { auth }) });
      clients.push(client);
      return client;
    };
    try {
      cluster.startAll();
      await started(cluster);
      const anonymous = connect();
      const role = await anonymous.role("readers").create();
      await expect(role.create()).rejects.toBeInstanceOf(EtcdRoleExistsError);
      await role.grant({ permission: "Read", range: anonymous.range({ prefix: "open/" }) });
      expect((await role.permissions())[0]).toMatchObject({ permission: "Read" });
      await (await anonymous.user("alice").create("secret")).addRole(role);
      await anonymous.role("root").create();
      await (await anonymous.user("root").create("pw")).addRole("root");
      await anonymous.auth.authEnable();

      await expect(anonymous.get("open/1")).rejects.toThrow("user name is empty");
      const root = connect({ username: "root", password: "pw" });
      await root.put("open/1").value("x");
      const alice = connect({ username: "alice", password: "secret" });
      expect(await alice.get("open/1")).toBe("x");
      await expect(alice.put("open/1").value("y")).rejects.toBeInstanceOf(EtcdPermissionDeniedError);
      await expect(connect({ username: "alice", password: "wrong" }).get("open/1")).rejects.toBeInstanceOf(EtcdAuthenticationFailedError);
      expect((await root.getUsers()).map(({ name }) => name).sort()).toEqual(["alice", "root"]);
      // Every token of hers ends with the password; the client gets itself a new one.
      await root.user("alice").setPassword("secret");
      expect(await alice.get("open/1")).toBe("x");
      await root.user("alice").removeRole("readers");
      await expect(alice.get("open/1")).rejects.toBeInstanceOf(EtcdPermissionDeniedError);
      await root.auth.authDisable();
      expect(await anonymous.get("open/1")).toBe("x");
    } finally {
      for (const client of clients) client.close();
      await cluster.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

async function serverCertificates(folder: string): Promise<{ readonly ca: Buffer; readonly flags: string[] }> {
  const validity = { validDays: 1, nowMs: Date.now() };
  const authority = await createAuthority({ commonName: "lenj-test-ca", ...validity });
  const names = { commonName: "store", ipAddresses: ["127.0.0.1"] };
  const { cert, key } = await issueCertificate(authority, { ...names, usages: ["server", "client"], ...validity });
  const [caFile, certFile, keyFile] = ["ca.crt", "store.crt", "store.key"].map((name) => join(folder, name)) as [string, string, string];
  writeFileSync(caFile, authority.cert);
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
  const peer = [`--peer-cert-file=${certFile}`, `--peer-key-file=${keyFile}`, `--peer-trusted-ca-file=${caFile}`];
  return { ca: Buffer.from(authority.cert), flags: [`--cert-file=${certFile}`, `--key-file=${keyFile}`, ...peer] };
}
