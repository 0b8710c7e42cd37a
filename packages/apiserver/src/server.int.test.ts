// The process against real stores, driven by real clients: kubectl, fetch over TLS, gRPC.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect as connectHTTP2 } from "node:http2";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, credentials } from "@grpc/grpc-js";
import { createAuthority, issueCertificate } from "@lenj/component-base/pki";
import { ContentType, ResourceServiceService, type WatchEvent } from "@lenj/proto/lenj";

const run = promisify(execFile);
const kubectl = ["/usr/lib/google-cloud-sdk/bin/kubectl.1.33", "/usr/local/bin/kubectl", "/usr/bin/kubectl"].find((path) =>
  existsSync(path),
);
const main = fileURLToPath(new URL("./main.js", import.meta.url));
const ownStore = fileURLToPath(new URL("../../store/dist/main.js", import.meta.url));

interface StoreKind {
  readonly name: string;
  readonly command: (folder: string, client: number, peer: number) => readonly [string, string[]];
  readonly isThere: boolean;
}

const storeFlags = (folder: string, client: number, peer: number): string[] => [
  "--name=s",
  `--data-dir=${folder}/store`,
  `--listen-client-urls=http://127.0.0.1:${client}`,
  `--advertise-client-urls=http://127.0.0.1:${client}`,
  `--listen-peer-urls=http://127.0.0.1:${peer}`,
  `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
  `--initial-cluster=s=http://127.0.0.1:${peer}`,
];

const stores: readonly StoreKind[] = [
  {
    name: "etcd",
    isThere: existsSync("/usr/bin/etcd"),
    command: (folder, client, peer) => ["/usr/bin/etcd", storeFlags(folder, client, peer)],
  },
  {
    name: "lenj-store",
    isThere: existsSync(ownStore),
    command: (folder, client, peer) => [process.execPath, [ownStore, ...storeFlags(folder, client, peer)]],
  },
];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(check: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    if (await Promise.resolve(check()).catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Waited in vain: ${what}`);
}

/** One cluster: a store, an api-server, certificates, all in a temporary folder. */
class Cluster implements AsyncDisposable {
  readonly #processes: ChildProcess[] = [];
  readonly #logs: string[] = [];
  ports = { store: 0, peer: 0, rest: 0, grpc: 0 };
  pem = { ca: "", cert: "", key: "" };

  private constructor(
    readonly folder: string,
    readonly kind: StoreKind,
  ) {}

  static async start(kind: StoreKind): Promise<Cluster> {
    const cluster = new Cluster(await mkdtemp(join(tmpdir(), "lenj-apiserver-")), kind);
    try {
      await cluster.#makeCertificates();
      cluster.ports = { store: await freePort(), peer: await freePort(), rest: await freePort(), grpc: await freePort() };
      cluster.startStore();
      await cluster.startServer();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}\n${cluster.#logs.join("").slice(-4_000)}`, { cause: error });
    }
  }

  store!: ChildProcess;
  server!: ChildProcess;

  startStore(): void {
    const [program, args] = this.kind.command(this.folder, this.ports.store, this.ports.peer);
    this.store = this.#spawn(program, args);
  }

  async startServer(): Promise<void> {
    const { folder, ports } = this;
    this.server = this.#spawn(process.execPath, [
      main,
      `--etcd-servers=http://127.0.0.1:${ports.store}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${ports.rest}`,
      `--grpc-port=${ports.grpc}`,
      `--client-ca-file=${folder}/ca.crt`,
      `--tls-cert-file=${folder}/server.crt`,
      `--tls-private-key-file=${folder}/server.key`,
      "--service-cluster-ip-range=10.96.0.0/16",
      "--disable-admission-plugins=ServiceAccount",
      "--log-format=text",
    ]);
    await until(async () => (await this.fetch("/readyz")).code === 200, "the server is ready");
  }

  async kubectl(...args: string[]): Promise<string> {
    return (await this.kubectlWith("", ...args)).trim();
  }

  /** Feeds `input` to kubectl; its errors are thrown with what it printed. */
  async kubectlWith(input: string, ...args: string[]): Promise<string> {
    const done = run(kubectl ?? "kubectl", [`--kubeconfig=${this.folder}/kubeconfig`, `--cache-dir=${this.folder}/cache`, ...args], {
      env: { ...process.env, HOME: this.folder },
    });
    done.child.stdin?.end(input);
    const { stdout, stderr } = await done;
    return stdout + (stderr.includes("version difference") ? "" : stderr);
  }

  fetch(
    path: string,
    options: { method?: string; headers?: Record<string, string>; body?: string; anonymous?: boolean } = {},
  ): Promise<{ code: number; headers: Record<string, string | string[] | undefined>; body: string }> {
    return new Promise((resolve, reject) => {
      const { ca, cert, key } = this.pem;
      const sent = request(
        {
          host: "127.0.0.1",
          port: this.ports.rest,
          path,
          method: options.method ?? "GET",
          headers: options.headers ?? {},
          ca,
          agent: false,
          ...(options.anonymous !== true && { cert, key }),
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () =>
            resolve({ code: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString("utf8") }),
          );
        },
      );
      sent.on("error", reject);
      sent.end(options.body);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.reverse().map((child) => ended(child, "SIGTERM")));
    await rm(this.folder, { recursive: true, force: true });
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => this.#logs.push(chunk.toString("utf8")));
    this.#processes.push(child);
    return child;
  }

  async #makeCertificates(): Promise<void> {
    const nowMs = Date.now();
    const authority = await createAuthority({ commonName: "lenj-test-ca", validDays: 1, nowMs });
    const server = await issueCertificate(authority, {
      commonName: "kube-apiserver",
      dnsNames: ["localhost"],
      ipAddresses: ["127.0.0.1"],
      usages: ["server"],
      validDays: 1,
      nowMs,
    });
    const admin = await issueCertificate(authority, {
      commonName: "admin",
      organizations: ["system:masters"],
      usages: ["client"],
      validDays: 1,
      nowMs,
    });
    this.pem = { ca: authority.cert, cert: admin.cert, key: admin.key };
    const files = {
      "ca.crt": authority.cert,
      "server.crt": server.cert,
      "server.key": server.key,
      "admin.crt": admin.cert,
      "admin.key": admin.key,
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(this.folder, name), text);
  }

  async writeKubeconfig(): Promise<void> {
    const { folder } = this;
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "c",
      clusters: [{ name: "c", cluster: { server: `https://127.0.0.1:${this.ports.rest}`, "certificate-authority": `${folder}/ca.crt` } }],
      users: [{ name: "c", user: { "client-certificate": `${folder}/admin.crt`, "client-key": `${folder}/admin.key` } }],
      contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
    };
    await writeFile(join(folder, "kubeconfig"), JSON.stringify(config));
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await exit;
    clearTimeout(timer);
  }
  return child.exitCode;
}

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "registry.example/web:1", ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, type: NodePort, ports: [{port: 80}]}
`;

for (const kind of stores.filter(({ isThere }) => isThere)) {
  describe(`api-server on ${kind.name}`, () => {
    let cluster: Cluster;
    beforeAll(async () => {
      cluster = await Cluster.start(kind);
      await cluster.writeKubeconfig();
    }, 60_000);
    afterAll(() => cluster?.[Symbol.asyncDispose](), 60_000);

    it("serves health to everyone and objects to those it knows", async () => {
      expect((await cluster.fetch("/healthz", { anonymous: true })).body).toBe("ok");
      expect((await cluster.fetch("/readyz?verbose", { anonymous: true })).body).toContain("[+]etcd ok");
      const { code, body } = await cluster.fetch("/api/v1/secrets", { anonymous: true });
      expect([code, (JSON.parse(body) as { message: string }).message]).toEqual([
        403,
        'secrets is forbidden: User "system:anonymous" cannot list resource "secrets" in API group "" at the cluster scope',
      ]);
    });

    it("creates what every cluster has", async () => {
      await until(
        async () => (await cluster.fetch("/api/v1/namespaces/default/services/kubernetes")).code === 200,
        "the kubernetes service exists",
      );
      const service = JSON.parse((await cluster.fetch("/api/v1/namespaces/default/services/kubernetes")).body) as {
        spec: { clusterIP: string };
      };
      expect(service.spec.clusterIP).toBe("10.96.0.1");
      for (const name of ["default", "kube-system", "kube-public", "kube-node-lease"])
        expect((await cluster.fetch(`/api/v1/namespaces/${name}`)).code).toBe(200);
    });

    it("answers in the words of Kubernetes when something is wrong", async () => {
      const missing = await cluster.fetch("/api/v1/namespaces/default/configmaps/nope");
      expect(JSON.parse(missing.body)).toEqual({
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        message: 'configmaps "nope" not found',
        reason: "NotFound",
        details: { name: "nope", kind: "configmaps" },
        code: 404,
      });
      expect((await cluster.fetch("/nope")).body).toBe("404 page not found\n");
      const big = await cluster.fetch("/api/v1/namespaces/default/configmaps", {
        method: "POST",
        body: "x".repeat(3 * 1024 * 1024 + 1),
        headers: { "content-type": "application/json" },
      });
      expect([big.code, (JSON.parse(big.body) as { message: string }).message]).toEqual([
        413,
        "Request entity too large: limit is 3145728",
      ]);
      const cbor = await cluster.fetch("/api/v1/namespaces/default/configmaps", {
        method: "POST",
        body: "x",
        headers: { "content-type": "application/cbor" },
      });
      expect(cbor.code).toBe(415);
    });

    it("answers discovery with an entity tag", async () => {
      const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
      const first = await cluster.fetch("/apis", { headers: { accept } });
      const again = await cluster.fetch("/apis", { headers: { accept, "if-none-match": String(first.headers["etag"]) } });
      expect([first.headers["content-type"], again.code, again.body]).toEqual([
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        304,
        "",
      ]);
    });

    it("streams a watch over HTTP/2 from its first byte", async () => {
      const session = connectHTTP2(`https://127.0.0.1:${cluster.ports.rest}`, cluster.pem);
      try {
        const stream = session.request({ ":path": "/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=0" });
        const lines: string[] = [];
        stream.on("data", (chunk: Buffer) =>
          lines.push(
            ...chunk
              .toString("utf8")
              .split("\n")
              .filter((line) => line !== ""),
          ),
        );
        const status = await new Promise((resolve) => stream.once("response", (headers) => resolve(headers[":status"])));
        expect(status).toBe(200);
        await cluster.fetch("/api/v1/namespaces/default/configmaps", {
          method: "POST",
          body: JSON.stringify({ metadata: { name: "watched" } }),
          headers: { "content-type": "application/json" },
        });
        await until(
          () => lines.some((line) => line.includes('"watched"') && line.startsWith('{"type":"ADDED"')),
          "the watch shows the new object",
        );
      } finally {
        session.close();
      }
    });

    (kubectl === undefined ? it.skip : it)(
      "works with kubectl",
      async () => {
        expect(await cluster.kubectlWith(manifest, "apply", "-f", "-")).toContain("deployment.apps/web created");
        const again = await cluster.kubectlWith(manifest, "apply", "-f", "-");
        expect([again.includes("deployment.apps/web unchanged"), again.includes("service/web unchanged")]).toEqual([true, true]);
        expect(await cluster.kubectl("scale", "deployment/web", "--replicas=5")).toContain("scaled");
        expect(await cluster.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas} {.metadata.generation}")).toBe("5 2");
        expect(await cluster.kubectl("get", "service", "web", "--no-headers")).toMatch(
          /^web\s+NodePort\s+10\.96\.\d+\.\d+\s+<none>\s+80:3\d{4}\/TCP/,
        );
        expect(await cluster.kubectl("create", "secret", "generic", "s", "--from-literal=a=b")).toBe("secret/s created");
        expect(await cluster.kubectl("label", "secret", "s", "x=y")).toBe("secret/s labeled");
        expect(await cluster.kubectl("get", "secrets", "-l", "x=y", "-o", "name")).toBe("secret/s");
        expect(await cluster.kubectl("explain", "deployment.spec.replicas")).toContain("replicas <integer>");
        expect(await cluster.kubectl("delete", "deployment/web", "service/web", "secret/s")).toContain("deleted");
        expect(await cluster.kubectl("get", "ipaddresses", "-o", "name")).toBe("ipaddress.networking.k8s.io/10.96.0.1");
      },
      60_000,
    );

    (kubectl === undefined ? it.skip : it)("refuses unknown fields and bad values as kubectl shows them", async () => {
      const bad = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, datas: {}}";
      await expect(cluster.kubectlWith(bad, "create", "-f", "-")).rejects.toThrow('strict decoding error: unknown field "datas"');
      await expect(cluster.kubectlWith(bad.replace("datas: {}", "data: {a: 1}"), "create", "-f", "-")).rejects.toThrow(
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
      );
    });

    it("gives no address and no port twice", async () => {
      const make = (n: number): ReturnType<Cluster["fetch"]> =>
        cluster.fetch("/api/v1/namespaces/default/services", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ metadata: { name: `s${n}` }, spec: { type: "NodePort", ports: [{ port: 80 }] } }),
        });
      const made = await Promise.all(Array.from({ length: 12 }, (_, n) => make(n)));
      const specs = made.map(({ body }) => (JSON.parse(body) as { spec: { clusterIP: string; ports: { nodePort: number }[] } }).spec);
      expect([new Set(specs.map(({ clusterIP }) => clusterIP)).size, new Set(specs.map(({ ports }) => ports[0]?.nodePort)).size]).toEqual([
        12, 12,
      ]);
      const taken = await cluster.fetch("/api/v1/namespaces/default/services", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ metadata: { name: "t" }, spec: { clusterIP: specs[0]?.clusterIP, ports: [{ port: 80 }] } }),
      });
      expect([taken.code, (JSON.parse(taken.body) as { message: string }).message]).toEqual([
        422,
        expect.stringContaining("provided IP is already allocated"),
      ]);
    });

    it("serves the same objects over gRPC, with the Status in the trailer", async () => {
      const { ca, cert, key } = cluster.pem;
      const client = new Client(
        `localhost:${cluster.ports.grpc}`,
        credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert)),
      );
      const ref = { group: "", version: "v1", resource: "configmaps", namespace: "default", name: "", subresource: "" };
      try {
        const { watch, create, get } = ResourceServiceService;
        const events: WatchEvent[] = [];
        const stream = client.makeServerStreamRequest(watch.path, watch.requestSerialize, watch.responseDeserialize, {
          ref,
          labelSelector: "",
          fieldSelector: "metadata.name=g",
          resourceVersion: "",
          allowBookmarks: true,
          sendInitialEvents: true,
          timeoutSeconds: 0,
          accept: ContentType.CONTENT_TYPE_JSON,
        });
        stream.on("data", (event: WatchEvent) => events.push(event));
        stream.on("error", () => {});
        await until(() => events.length === 1, "the initial events end");
        const object = { contentType: ContentType.CONTENT_TYPE_JSON, data: Buffer.from('{"metadata":{"name":"g"}}'), warnings: [] };
        await new Promise((resolve, reject) =>
          client.makeUnaryRequest(
            create.path,
            create.requestSerialize,
            create.responseDeserialize,
            { ref, object, options: undefined },
            (error, made) => (error === null ? resolve(made) : reject(error)),
          ),
        );
        await until(() => events.length === 2, "the new object arrives");
        const failure = await new Promise<{ metadata: { get: (name: string) => unknown[] } }>((resolve) =>
          client.makeUnaryRequest(
            get.path,
            get.requestSerialize,
            get.responseDeserialize,
            { ref: { ...ref, name: "nope" }, resourceVersion: "", accept: ContentType.CONTENT_TYPE_JSON },
            (error) => resolve(error as never),
          ),
        );
        expect((JSON.parse(String(failure.metadata.get("lenj-status-bin")[0])) as { reason: string }).reason).toBe("NotFound");
        stream.cancel();
      } finally {
        client.close();
      }
    });
  });
}

describe("api-server whose store goes away", () => {
  const kind = stores.find(({ isThere }) => isThere) as StoreKind;

  it("says so, comes back with the store, and ends in order", async () => {
    await using cluster = await Cluster.start(kind);
    const post = (name: string): ReturnType<Cluster["fetch"]> =>
      cluster.fetch("/api/v1/namespaces/default/configmaps", {
        method: "POST",
        body: JSON.stringify({ metadata: { name } }),
        headers: { "content-type": "application/json" },
      });
    expect((await post("before")).code).toBe(201);
    await ended(cluster.store, "SIGKILL");
    await until(async () => (await cluster.fetch("/readyz")).code === 500, "readiness fails");
    expect((await cluster.fetch("/livez?exclude=etcd")).code).toBe(200);
    cluster.startStore();
    await until(async () => (await cluster.fetch("/readyz")).code === 200, "readiness is back");
    expect((await cluster.fetch("/api/v1/namespaces/default/configmaps/before")).code).toBe(200);
    await until(async () => (await post("after")).code === 201, "writes work again");
    await until(
      async () =>
        (
          JSON.parse((await cluster.fetch("/api/v1/namespaces/default/configmaps?resourceVersion=0")).body) as {
            items: { metadata: { name: string } }[];
          }
        ).items.some(({ metadata }) => metadata.name === "after"),
      "the cache follows again",
    );
    expect(await ended(cluster.server, "SIGTERM")).toBe(0);
    await cluster.startServer();
    expect((await cluster.fetch("/api/v1/namespaces/default/configmaps/after")).code).toBe(200);
  }, 90_000);
});
