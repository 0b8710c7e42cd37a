// Pulls from a registry that nobody's certificate store knows, over TLS, with docker's token login.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@lenj/base";
import { TestRegistry, type TestTLS } from "../../testing/test-registry.js";
import { Launcher } from "../launcher.js";
import { observeNodeRights } from "../node-facts.js";
import { ImageStore } from "./image-store.js";

const login = { username: "robot", password: "secret", token: "t0ken" };
const credentials = { username: "robot", password: "secret", identityToken: "", registryToken: "" };
const architecture = { x64: "amd64", arm64: "arm64" }[process.arch as "x64" | "arm64"];
const signal = new AbortController().signal;

/** A CA, and a certificate of it for 127.0.0.1. */
function makeCertificates(directory: string): { ca: string; tls: TestTLS } {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "ignore" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test registry CA");
  openssl("req", ...key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=registry");
  writeFileSync(join(directory, "leaf.ext"), "subjectAltName=IP:127.0.0.1\n");
  openssl(
    ...["x509", "-req", "-in", "leaf.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"],
    "-extfile",
    "leaf.ext",
    "-out",
    "leaf.crt",
  );
  const read = (name: string): string => readFileSync(join(directory, name), "utf8");
  return { ca: read("ca.crt"), tls: { key: read("leaf.key"), cert: read("leaf.crt") } };
}

describe("a registry over HTTPS", () => {
  let directory: string;
  let registry: TestRegistry;
  let certificates: ReturnType<typeof makeCertificates>;
  const name = (image: string): string => `${registry.host}/${image}`;
  const open = (): ImageStore => {
    const rights = observeNodeRights();
    return new ImageStore({
      indexDirectory: directory,
      storeDirectory: join(directory, "images"),
      userName: "node",
      mirrors: [],
      certificatesDirectory: join(directory, "certs"),
      rights,
      launcher: new Launcher(join(directory, "bin"), rights.architecture),
      logger: silentLogger,
    });
  };
  const trust = (): void => {
    const folder = join(directory, "certs", registry.host);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "ca.crt"), certificates.ca);
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "lenj-registry-"));
    certificates = makeCertificates(directory);
    registry = new TestRegistry();
    await registry.listen({ tls: certificates.tls, login });
    await registry.add({
      name: "team/web:own",
      layers: [
        [
          { header: { name: "a" }, content: "below" },
          { header: { name: "gone" }, content: "x" },
        ],
        [{ header: { name: ".wh.gone" } }, { header: { name: "b" }, content: "above" }],
      ],
    });
    await registry.add({ name: "team/web:foreign", layers: [[{ header: { name: "wrong" }, content: "x" }]] });
    registry.addIndex("team/web:1", [
      { name: "team/web:foreign", architecture: "s390x" },
      { name: "team/web:own", architecture },
    ]);
  });
  afterEach(async () => {
    await registry.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("is pulled from: login by challenge, the list's manifest for this machine, whiteouts", async () => {
    trust();
    const store = open();
    await store.pull(name("team/web:1"), credentials, signal);
    const image = store.find(name("team/web:1"));
    expect(readdirSync(image?.rootfs ?? "").sort()).toEqual(["a", "b"]);
    expect(image?.repoDigests).toEqual([`${registry.host}/team/web@${registry.digest("team/web:1")}`]);
    // One challenge, one token, and everything else with it.
    expect(registry.requests.filter((request) => request.includes("/token?"))).toEqual([
      `GET /token?service=test&scope=${encodeURIComponent("repository:team/web:pull")}`,
    ]);
    expect(registry.requests.filter((request) => request.endsWith("/manifests/1"))).toHaveLength(2);
  }, 30_000);

  it("is pulled from by digest, which must be the content's", async () => {
    trust();
    const digest = registry.digest("team/web:own");
    const store = open();
    await store.pull(name(`team/web@${digest}`), credentials, signal);
    expect(store.find(name(`team/web@${digest}`))?.repoTags).toEqual([]);
    store.remove(name(`team/web@${digest}`));
    registry.swapManifest("team/web:foreign", digest);
    await expect(store.pull(name(`team/web@${digest}`), credentials, signal)).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message: expect.stringContaining(`manifest digest mismatch: expected ${digest}`),
    });
  }, 30_000);

  it("whose layers are not what their digests say is refused, and leaves nothing behind", async () => {
    trust();
    registry.corruptBlobs();
    const store = open();
    await expect(store.pull(name("team/web:1"), credentials, signal)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    expect(readdirSync(join(directory, "images", "rootfs"))).toEqual([]);
  }, 30_000);

  it.each([
    ["without credentials", undefined],
    ["with a wrong password", { ...credentials, password: "guess" }],
  ])(
    "denies %s",
    async (_, given) => {
      trust();
      await expect(open().pull(name("team/web:1"), given, signal)).rejects.toMatchObject({
        code: "UNKNOWN",
        message: expect.stringContaining("failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized"),
      });
    },
    30_000,
  );

  it("is not trusted with another's CA", async () => {
    certificates = makeCertificates(directory);
    trust();
    await expect(open().pull(name("team/web:1"), credentials, signal)).rejects.toMatchObject({
      code: "UNKNOWN",
      message: expect.stringMatching(/failed to do request: Get "https:.*certificate/),
    });
    expect(registry.requests).toEqual([]);
  }, 30_000);
});
