// What flags say about TLS and about web pages, at real members, through curl, openssl and Debian's etcdctl. The answers to clients were
// compared with those of Debian's etcd 3.4.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAuthority, issueCertificate, type KeyedCertificate } from "@lenj/component-base/pki";
import { eventually, freePort, StoreCluster } from "./testing/index.js";

jest.setTimeout(120_000);

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
}

function run(command: string, args: readonly string[], input = ""): Outcome {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", input, timeout: 20_000 });
  return { code: status, stdout };
}

const curl = (...args: readonly string[]): Outcome => run("curl", ["-s", "--max-time", "10", ...args]);

describe("flags about TLS", () => {
  let cluster: StoreCluster;
  let authority: KeyedCertificate;
  let url: string;

  const pathOf = (name: string): string => join(cluster.folder, name);

  async function issue(name: string): Promise<void> {
    const issued = await issueCertificate(authority, {
      ...{ commonName: name, validDays: 1, nowMs: Date.now(), ipAddresses: ["127.0.0.1"], dnsNames: [`${name}.test`] },
      usages: ["server", "client"],
    });
    writeFileSync(pathOf(`${name}.crt`), issued.cert);
    writeFileSync(pathOf(`${name}.key`), issued.key);
  }

  /** A list with these certificates in it, made by openssl. */
  function revoke(names: readonly string[]): void {
    writeFileSync(pathOf("index"), "");
    writeFileSync(pathOf("crlnumber"), "01\n");
    writeFileSync(
      pathOf("ca.cnf"),
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${pathOf("index")}\ncrlnumber=${pathOf("crlnumber")}\ndefault_md=sha256\ndefault_crl_days=1\n`,
    );
    const openssl = (...args: readonly string[]): void => {
      const asked = ["ca", "-config", pathOf("ca.cnf"), "-keyfile", pathOf("ca.key"), "-cert", pathOf("ca.crt"), ...args];
      expect(run("openssl", asked).code).toBe(0);
    };
    for (const name of names) openssl("-revoke", pathOf(`${name}.crt`));
    openssl("-gencrl", "-out", pathOf("crl.pem"));
  }

  async function start(flags: readonly string[], prepare = (): void => {}): Promise<void> {
    cluster = await StoreCluster.create({ members: 1, scheme: "https" });
    mkdirSync(cluster.folder, { recursive: true });
    authority = await createAuthority({ commonName: "test-ca", validDays: 1, nowMs: Date.now() });
    writeFileSync(pathOf("ca.crt"), authority.cert);
    writeFileSync(pathOf("ca.key"), authority.key);
    for (const name of ["server", "alice", "bob"]) await issue(name);
    prepare();
    cluster.start("s1", { flags: ["--peer-auto-tls", ...flags.map((flag) => flag.replace("@", `${cluster.folder}/`))] });
    url = cluster.endpoints[0] as string;
    await logged(/"Published name and client URLs"/);
  }

  const logged = (text: RegExp): Promise<boolean> => eventually(() => Promise.resolve(text.test(cluster.log("s1")) || undefined));

  const server = ["--cert-file=@server.crt", "--key-file=@server.key"];
  const as = (name: string): string[] => ["--cacert", pathOf("ca.crt"), "--cert", pathOf(`${name}.crt`), "--key", pathOf(`${name}.key`)];

  afterEach(() => cluster.close());

  it("refuses a revoked certificate, also one that is revoked while the member runs", async () => {
    await start([...server, "--trusted-ca-file=@ca.crt", "--client-cert-auth", "--client-crl-file=@crl.pem"], () => revoke(["bob"]));
    expect(curl(...as("bob"), `${url}/version`)).toMatchObject({ stdout: "" });
    await logged(/"rejected connection".*"reason":"certificate serial [0-9a-f]+ revoked"/);
    expect(curl(...as("alice"), `${url}/version`).stdout).toContain("etcdserver");
    const put = (name: string): number => cluster.etcdctl([...as(name), "--dial-timeout=2s", "--command-timeout=2s", "put", "a", "1"]).code;
    expect([put("alice"), put("bob")]).toEqual([0, 1]);
    revoke(["alice"]);
    expect([put("alice"), put("bob")]).toEqual([1, 0]);
    writeFileSync(pathOf("crl.pem"), "");
    expect([put("alice"), put("bob")]).toEqual([1, 1]);
  });

  it("asks for certificates where an authority is named, and for a name where one is", async () => {
    await start([...server, "--trusted-ca-file=@ca.crt", "--client-cert-allowed-hostname=alice.test,carol.test"]);
    expect(curl("--cacert", pathOf("ca.crt"), `${url}/version`).stdout).toBe("");
    expect(curl(...as("bob"), `${url}/version`).stdout).toBe("");
    await logged(/client certificate authentication failed/);
    expect(curl(...as("alice"), `${url}/version`).stdout).toContain("etcdserver");
  });

  it("serves metrics as it serves clients, where their address says https", async () => {
    const metrics = `https://127.0.0.1:${await freePort()}`;
    await start([...server, "--trusted-ca-file=@ca.crt", "--client-cert-auth", `--listen-metrics-urls=${metrics}`]);
    expect(curl("--cacert", pathOf("ca.crt"), `${metrics}/metrics`).stdout).toBe("");
    expect(curl(...as("alice"), `${metrics}/metrics`).stdout).toContain("etcd_server_has_leader 1");
    expect(curl("--cacert", pathOf("ca.crt"), metrics.replace("https", "http")).stdout).toBe("");
  });

  it("narrows cipher suites and versions", async () => {
    await start([...server, "--cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]);
    const old = (cipher: string): Outcome => curl("--cacert", pathOf("ca.crt"), "--tls-max", "1.2", "--ciphers", cipher, `${url}/version`);
    expect(old("ECDHE-ECDSA-AES256-GCM-SHA384").stdout).toBe("");
    expect(old("ECDHE-ECDSA-AES128-GCM-SHA256").stdout).toContain("etcdserver");
    const connected = (...args: readonly string[]): string =>
      run("openssl", ["s_client", "-connect", url.replace("https://", ""), "-CAfile", pathOf("ca.crt"), ...args]).stdout;
    expect(connected("-tls1_3")).toContain("TLSv1.3");
    expect(connected("-tls1_2")).toContain("ECDHE-ECDSA-AES128-GCM-SHA256");
    await cluster.signal("s1", "SIGTERM");
    cluster.start("s1", {
      flags: ["--peer-auto-tls", ...server.map((flag) => flag.replace("@", `${cluster.folder}/`)), "--tls-min-version=TLS1.3"],
    });
    await eventually(() => Promise.resolve(connected("-tls1_3").includes("Cipher is TLS_") || undefined));
    expect(connected("-tls1_2")).toContain("Cipher is (NONE)");
  });

  it("makes certificates of its own, once, for clients and between members", async () => {
    cluster = await StoreCluster.create({
      members: 3,
      scheme: "https",
      flags: ["--auto-tls", "--peer-auto-tls", "--self-signed-cert-validity=2"],
    });
    cluster.startAll();
    const made = join(cluster.folder, "s1/fixtures/client");
    const access = ["--insecure-transport=false", "--insecure-skip-tls-verify"];
    await eventually(() => Promise.resolve(cluster.etcdctl([...access, "put", "a", "1"]).code === 0 || undefined));
    url = cluster.endpoints[0] as string;
    expect(curl("--cacert", join(made, "cert.pem"), `${url}/version`).stdout).toContain("etcdserver");
    expect(statSync(join(made, "key.pem")).mode & 0o777).toBe(0o600);
    const shown = run("openssl", [
      "x509",
      "-in",
      join(made, "cert.pem"),
      "-noout",
      "-issuer",
      "-subject",
      "-checkend",
      String(700 * 86_400),
    ]);
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining("O = etcd") });
    expect(curl("--http1.1", "-k", `${url}/health`).stdout).toBe(curl("-k", `${url}/health`).stdout);
    const before = readFileSync(join(made, "cert.pem"), "utf8");
    await cluster.signal("s1", "SIGTERM");
    cluster.start("s1");
    await eventually(() => Promise.resolve(curl("-k", `${url}/health`).stdout.includes("true") || undefined));
    expect(readFileSync(join(made, "cert.pem"), "utf8")).toBe(before);
  });

  it("lets only members with the right name in, and calls them with the certificate for that", async () => {
    const peers = [
      "--peer-cert-file=@server.crt",
      "--peer-key-file=@server.key",
      "--peer-trusted-ca-file=@ca.crt",
      "--peer-client-cert-auth",
    ];
    await start([...server, ...peers, "--peer-cert-allowed-cn=alice,carol"]);
    const peerURL = cluster.addresses[0]?.peerURL as string;
    curl(...as("bob"), `${peerURL}/`);
    await logged(/client certificate authentication failed/);
    // The one that may come in speaks HTTP/2 with it; the other is not answered.
    const greeting = (name: string): number =>
      run("curl", ["-s", "--http2", "--max-time", "5", "-o", "/dev/null", ...as(name), `${peerURL}/`]).code ?? -1;
    expect([greeting("alice"), greeting("bob") === 0]).toEqual([0, false]);
  });
});

describe("flags about web pages", () => {
  let cluster: StoreCluster;
  let url: string;

  beforeAll(async () => {
    cluster = await StoreCluster.create({
      members: 1,
      flags: ["--cors=http://a.test:80,http://b.test:80", "--host-whitelist=foo.test,127.0.0.1"],
    });
    cluster.startAll();
    url = cluster.endpoints[0] as string;
    await eventually(() => Promise.resolve(curl(`${url}/health`).stdout.includes("true") || undefined));
  });

  afterAll(() => cluster.close());

  it("answers to the names of --host-whitelist alone", () => {
    const status = (...args: readonly string[]): string => curl("-o", "/dev/null", "-w", "%{http_code}", ...args).stdout;
    const body = ["-d", "{}", `${url}/v3/maintenance/status`];
    expect([status(...body), status("-H", "Host: foo.test:1", ...body), status("-H", "Host: evil.test", ...body)]).toEqual([
      "200",
      "200",
      "421",
    ]);
    expect(curl("-H", "Host: evil.test", `${url}/health`).stdout).toContain('--host-whitelist "evil.test"');
    expect(cluster.etcdctl(["endpoint", "health"]).code).toBe(0);
  });

  it("tells browsers of the origins of --cors alone", () => {
    const headers = (...args: readonly string[]): string => curl("-i", ...args).stdout.toLowerCase();
    const body = ["-d", "{}", `${url}/v3/maintenance/status`];
    expect(headers("-H", "Origin: http://a.test:80", ...body)).toContain("access-control-allow-origin: http://a.test:80\r\n");
    expect(headers("-H", "Origin: http://c.test", ...body)).not.toContain("access-control");
    expect(headers("-X", "OPTIONS", "-H", "Origin: http://b.test:80", `${url}/v3/kv/range`)).toMatch(
      /^http\/1.1 200.*\r\naccess-control-allow-methods: /,
    );
    expect(headers("-X", "OPTIONS", "-H", "Origin: http://c.test", `${url}/v3/kv/range`)).not.toContain("access-control");
  });
});
