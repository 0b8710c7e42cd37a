// The common name of a client's certificate as its user, at a real member, through Debian's etcdctl. Debian's etcd answers the same.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority, issueCertificate, type KeyedCertificate } from "@lenj/component-base/pki";
import { eventually, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

describe("--client-cert-auth", () => {
  let cluster: StoreCluster;
  let folder: string;
  let asRoot: readonly string[];

  const pathOf = (name: string): string => join(folder, name);

  async function issue(authority: KeyedCertificate, name: string, commonName: string): Promise<void> {
    const issued = await issueCertificate(authority, {
      ...{ commonName, validDays: 1, nowMs: Date.now(), ipAddresses: ["127.0.0.1"] },
      usages: ["server", "client"],
    });
    writeFileSync(pathOf(`${name}.crt`), issued.cert);
    writeFileSync(pathOf(`${name}.key`), issued.key);
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "lenj-store-"));
    const authority = await createAuthority({ commonName: "test-ca", validDays: 1, nowMs: Date.now() });
    const foreign = await createAuthority({ commonName: "test-ca", validDays: 1, nowMs: Date.now() });
    writeFileSync(pathOf("ca.crt"), authority.cert);
    for (const name of ["server", "root", "alice", "stranger"]) await issue(authority, name, name);
    await issue(foreign, "forged", "root");
    const files = (prefix: string, name: string): string[] => [
      ...[`--${prefix}cert-file`, pathOf(`${name}.crt`), `--${prefix}key-file`, pathOf(`${name}.key`)],
      ...[`--${prefix}trusted-ca-file`, pathOf("ca.crt"), `--${prefix}client-cert-auth`],
    ];
    const flags = [...files("", "server"), ...files("peer-", "server"), "--bcrypt-cost", "4"];
    mkdirSync(pathOf("data"));
    cluster = await StoreCluster.create({ members: 1, scheme: "https", flags }, folder);
    cluster.startAll();
    asRoot = as("root");
    await eventually(() => Promise.resolve(run([...asRoot, "put", "a", "1"]).code === 0 ? true : undefined));
    for (const args of [
      ...["user add root --no-password", "user grant-role root root", "user add alice --no-password", "role add reader"],
      ...["user add bob:secret --interactive=false", "role grant-permission reader read a", "user grant-role alice reader", "auth enable"],
    ]) {
      if (args === "user grant-role root root") run([...asRoot, "role", "add", "root"]);
      expect(`${args}: ${run([...asRoot, ...args.split(" ")]).stderr}`).toBe(`${args}: `);
    }
  });

  afterAll(() => cluster.close());

  const as = (name: string): string[] => ["--cacert", pathOf("ca.crt"), "--cert", pathOf(`${name}.crt`), "--key", pathOf(`${name}.key`)];
  const run = (args: readonly string[]): ReturnType<StoreCluster["etcdctl"]> =>
    cluster.etcdctl(["--dial-timeout", "2s", "--command-timeout", "5s", ...args]);

  it("makes the certificate's name the user: with its rights and no more", () => {
    expect(run([...as("alice"), "get", "a"]).stdout).toBe("a\n1\n");
    expect(run([...as("alice"), "get", "b"]).stderr).toContain("etcdserver: permission denied");
    expect(run([...as("alice"), "put", "a", "2"]).stderr).toContain("etcdserver: permission denied");
    expect(run([...as("alice"), "user", "list"]).stderr).toContain("etcdserver: permission denied");
    expect(run([...asRoot, "user", "list"]).stdout).toBe("alice\nbob\nroot\n");
    expect(run([...asRoot, "put", "a", "3"]).code).toBe(0);
  });

  it("gives nothing to a certificate whose name is no user, in etcd's words", () => {
    for (const args of [
      ["get", "a"],
      ["put", "a", "9"],
      ["del", "a"],
    ])
      expect(run([...as("stranger"), ...args]).stderr).toContain("etcdserver: permission denied");
    expect(run([...as("stranger"), "user", "list"]).stderr).toContain("etcdserver: user name not found");
  });

  it("lets a password go before the certificate", () => {
    expect(run([...as("alice"), "--user", "bob:secret", "get", "a"]).stderr).toContain("etcdserver: permission denied");
    expect(run([...as("alice"), "--user", "alice:guessed", "get", "a"]).stderr).toContain(
      "auth: authentication failed, password was given for no password user",
    );
  });

  it("takes a watch's right from the certificate too", () => {
    const watch = (name: string, key: string) => cluster.etcdctl([...as(name), "watch", key, "--rev", "1"], { timeoutMs: 2_000 });
    expect(watch("alice", "a").stdout).toContain("PUT\na\n1\n");
    expect(watch("alice", "b").stderr + watch("alice", "b").stdout).toContain("permission denied");
  });

  it("refuses connections without a certificate, and with one of another authority", () => {
    expect(run(["--cacert", pathOf("ca.crt"), "get", "a"]).code).not.toBe(0);
    expect(run([...as("forged"), "get", "a"]).code).not.toBe(0);
  });
});
