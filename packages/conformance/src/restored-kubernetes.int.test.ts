// A Kubernetes API on a store that is lost and restored from a backup: the objects are those of the backup, and whoever watched sees it.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SystemClock, SystemRandom } from "@lenj/base";
import { type ApiClient, createApiClient, InformerFactory, resources } from "@lenj/client";
import { createAuthority, issueCertificate } from "@lenj/component-base/pki";
import type { corev1 } from "@lenj/proto/k8s";
import { eventually, freePort, StoreCluster } from "@lenj/store/testing";

const program = (specifier: string): string => fileURLToPath(import.meta.resolve(specifier));

jest.setTimeout(180_000);

interface Access {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const configMap = (name: string, value: string): corev1.ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data: { value },
});

describe("a Kubernetes API on a restored store", () => {
  let folder: string;
  let port: number;
  let access: Access;
  let apiServer: ChildProcess | undefined;
  const closing: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "lenj-restored-"));
    port = await freePort();
    access = await makeCertificates(folder);
  });

  afterEach(async () => {
    await stopApiServer();
    for (const close of closing.splice(0).reverse()) await close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function startApiServer(cluster: StoreCluster): Promise<void> {
    const log = openSync(join(folder, "apiserver.log"), "a");
    const flags = [
      `--etcd-servers=${cluster.endpoints.join(",")}`,
      ...["--bind-address=127.0.0.1", `--secure-port=${port}`, `--grpc-port=${await freePort()}`],
      ...[`--client-ca-file=${folder}/ca.crt`, `--tls-cert-file=${folder}/server.crt`, `--tls-private-key-file=${folder}/server.key`],
      ...["--service-cluster-ip-range=10.96.0.0/16", "--disable-admission-plugins=ServiceAccount"],
    ];
    apiServer = spawn(process.execPath, [program("@lenj/apiserver/main"), ...flags], { stdio: ["ignore", log, log] });
  }

  async function stopApiServer(): Promise<void> {
    if (apiServer === undefined || apiServer.exitCode !== null) return;
    apiServer.kill("SIGKILL");
    await once(apiServer, "exit");
  }

  async function connect(): Promise<ApiClient> {
    const client = await createApiClient({
      server: `https://127.0.0.1:${port}`,
      caData: access.ca,
      clientCertificateData: access.cert,
      clientKeyData: access.key,
      namespace: "default",
    });
    closing.push(() => client.close());
    return client;
  }

  async function createCluster(members: number): Promise<StoreCluster> {
    const cluster = await StoreCluster.create({ members });
    closing.push(() => cluster.close());
    return cluster;
  }

  const valuesOf = (objects: readonly corev1.ConfigMap[]): Record<string, string | undefined> =>
    Object.fromEntries(objects.map(({ metadata, data }) => [metadata?.name ?? "", data?.["value"]]));
  const own = (objects: readonly corev1.ConfigMap[]): corev1.ConfigMap[] =>
    objects.filter(({ metadata }) => metadata?.name?.startsWith("own-") === true);

  it("lists the objects of the backup, at a later version than any client has seen, and informers follow", async () => {
    const lost = await createCluster(1);
    lost.startAll();
    await startApiServer(lost);
    const client = await connect();
    await eventually(() => client.get(resources.namespaces, { name: "default" }), 60_000);
    for (const number of [1, 2, 3]) await client.create(resources.configMaps, configMap(`own-${number}`, "backed up"));
    const backedUp = await client.list<corev1.ConfigMap>(resources.configMaps);
    const snapshot = join(folder, "snapshot.db");
    run("snapshot", "save", snapshot, "--endpoints", lost.endpoints[0] ?? "");

    // What happens after the backup: seen by the informer, lost with the store.
    const informers = new InformerFactory({ client, clock: new SystemClock(), random: new SystemRandom() });
    closing.push(() => informers.close());
    const informer = informers.informer<corev1.ConfigMap>(resources.configMaps);
    const deleted: string[] = [];
    informer.addHandler({ onDelete: ({ metadata }) => void deleted.push(metadata?.name ?? "") });
    informers.start();
    await client.create(resources.configMaps, configMap("own-4", "after"));
    await client.delete(resources.configMaps, { name: "own-1", namespace: "default" });
    await eventually(() => Promise.resolve(valuesOf(informer.lister.list())["own-4"]));
    await eventually(() => Promise.resolve(deleted.includes("own-1") ? true : undefined));
    const seen = await client.list<corev1.ConfigMap>(resources.configMaps);
    await stopApiServer();
    await lost.close();

    const restored = await createCluster(3);
    for (const { name, peerURL } of restored.addresses) {
      const cluster = restored.addresses.map((member) => `${member.name}=${member.peerURL}`).join(",");
      const flags = ["--name", name, "--data-dir", join(restored.folder, name), "--initial-advertise-peer-urls", peerURL];
      run("restore", snapshot, ...flags, "--initial-cluster", cluster, "--bump-revision", "1000000", "--mark-compacted");
    }
    restored.startAll();
    await startApiServer(restored);
    const after = await eventually(() => client.list<corev1.ConfigMap>(resources.configMaps), 60_000);
    // Nothing is lost, nothing is changed, down to uid and resourceVersion of each object.
    expect(own(after.items)).toEqual(own(backedUp.items));
    expect(Number(after.resourceVersion)).toBeGreaterThan(Number(seen.resourceVersion));
    await eventually(() => Promise.resolve(deleted.includes("own-4") ? true : undefined), 60_000);
    expect(valuesOf(own(informer.lister.list()))).toEqual({ "own-1": "backed up", "own-2": "backed up", "own-3": "backed up" });
    // And life goes on: a write is seen by those who watch.
    await client.create(resources.configMaps, configMap("own-5", "new"));
    await eventually(() => Promise.resolve(valuesOf(informer.lister.list())["own-5"]));
  });
});

function run(...args: string[]): void {
  const result = spawnSync(process.execPath, [program("@lenj/store/main"), ...args], { encoding: "utf8", timeout: 60_000 });
  if (result.status !== 0) throw new Error(result.stderr);
}

async function makeCertificates(folder: string): Promise<Access> {
  const validity = { validDays: 1, nowMs: Date.now() };
  const authority = await createAuthority({ commonName: "lenj-test-ca", ...validity });
  const server = await issueCertificate(authority, {
    commonName: "kube-apiserver",
    ipAddresses: ["127.0.0.1"],
    usages: ["server"],
    ...validity,
  });
  const admin = await issueCertificate(authority, {
    commonName: "admin",
    organizations: ["system:masters"],
    usages: ["client"],
    ...validity,
  });
  for (const [name, text] of Object.entries({ "ca.crt": authority.cert, "server.crt": server.cert, "server.key": server.key }))
    writeFileSync(join(folder, name), text);
  return { ca: authority.cert, cert: admin.cert, key: admin.key };
}
