// The lab's certificates and kubeconfigs: made at the first start, kept after that.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createAuthority, createServiceAccountKey, issueCertificate, type KeyedCertificate } from "@lenj/component-base/pki";
import { formatKubeconfig } from "../core/kubeconfig.js";
import {
  apiserverAddress,
  apiserverPorts,
  fabric,
  type LabConfig,
  type LabPaths,
  nodeAddress,
  nodeName,
  ordinals,
  storeAddress,
} from "../core/topology.js";

const authorityDays = 3650;
const leafDays = 365;

interface Leaf {
  readonly file: string;
  readonly authority: "cluster" | "etcd";
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usages: readonly ("server" | "client")[];
}

function leaves(config: LabConfig): Leaf[] {
  const local = { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] };
  const both = ["server", "client"] as const;
  const client = (file: string, commonName: string, organization?: string): Leaf => ({
    file,
    authority: "cluster",
    commonName,
    ...(organization === undefined ? {} : { organizations: [organization] }),
    usages: ["client"],
  });
  return [
    ...ordinals(config.storeReplicas).map(
      (n): Leaf => ({
        file: `etcd/store-${n}`,
        authority: "etcd",
        commonName: `store-${n}`,
        dnsNames: [...local.dnsNames, `store-${n}`],
        ipAddresses: [...local.ipAddresses, storeAddress(n)],
        usages: both,
      }),
    ),
    { file: "etcd/apiserver-client", authority: "etcd", commonName: "kube-apiserver-etcd-client", usages: ["client"] },
    { file: "etcd/client", authority: "etcd", commonName: "lenj-etcdctl", usages: ["client"] },
    {
      file: "apiserver",
      authority: "cluster",
      commonName: "kube-apiserver",
      dnsNames: [
        ...local.dnsNames,
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        `kubernetes.default.svc.${fabric.clusterDomain}`,
        "apiserver-1",
      ],
      ipAddresses: [...local.ipAddresses, apiserverAddress(1), fabric.kubernetesServiceIP],
      usages: ["server"],
    },
    client("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
    client("admin", "kubernetes-admin", "system:masters"),
    client("controller-manager", "system:kube-controller-manager"),
    client("scheduler", "system:kube-scheduler"),
    client("dns", "system:serviceaccount:kube-system:coredns", "system:serviceaccounts"),
    ...ordinals(config.nodes).flatMap((n): Leaf[] => [
      {
        file: nodeName(n),
        authority: "cluster",
        commonName: `system:node:${nodeName(n)}`,
        organizations: ["system:nodes"],
        dnsNames: [...local.dnsNames, nodeName(n)],
        ipAddresses: [...local.ipAddresses, nodeAddress(n)],
        usages: both,
      },
      client(`${nodeName(n)}-proxy`, "system:kube-proxy"),
    ]),
  ];
}

/** Makes whatever certificate, key or kubeconfig is missing. */
export async function ensureCredentials(config: LabConfig, paths: LabPaths, nowMs: number): Promise<void> {
  mkdirSync(`${paths.pki}/etcd`, { recursive: true, mode: 0o700 });
  mkdirSync(paths.kubeconfigs, { recursive: true, mode: 0o700 });
  const authorities = {
    cluster: await ensureKeyed(`${paths.pki}/ca`, () => createAuthority({ commonName: "kubernetes", validDays: authorityDays, nowMs })),
    etcd: await ensureKeyed(`${paths.pki}/etcd/ca`, () => createAuthority({ commonName: "etcd-ca", validDays: authorityDays, nowMs })),
  };
  await Promise.all(
    leaves(config).map((leaf) =>
      ensureKeyed(`${paths.pki}/${leaf.file}`, () =>
        issueCertificate(authorities[leaf.authority], { ...leaf, validDays: leafDays, nowMs }),
      ),
    ),
  );
  if (!existsSync(`${paths.pki}/sa.key`)) {
    const keys = createServiceAccountKey();
    writeFileSync(`${paths.pki}/sa.pub`, keys.publicKey);
    writeFileSync(`${paths.pki}/sa.key`, keys.privateKey, { mode: 0o600 });
  }
  writeKubeconfigs(config, paths);
}

function writeKubeconfigs(config: LabConfig, paths: LabPaths): void {
  const inside = `https://${apiserverAddress(1)}:${apiserverPorts.rest}`;
  const users = ["controller-manager", "scheduler", "dns", ...ordinals(config.nodes).flatMap((n) => [nodeName(n), `${nodeName(n)}-proxy`])];
  for (const user of users) {
    write(
      `${paths.kubeconfigs}/${user}`,
      kubeconfigOf(paths, user, { server: inside, grpcServer: `${apiserverAddress(1)}:${apiserverPorts.grpc}` }),
    );
  }
  write(`${paths.kubeconfigs}/admin-inside`, kubeconfigOf(paths, "admin", { server: inside }));
  write(
    `${paths.state}/kubeconfig`,
    kubeconfigOf(paths, "admin", { server: `https://127.0.0.1:${config.ports.apiserver}`, grpcServer: `127.0.0.1:${config.ports.grpc}` }),
  );
}

function kubeconfigOf(paths: LabPaths, user: string, endpoint: { server: string; grpcServer?: string }): string {
  const { cert, key } = readKeyed(`${paths.pki}/${user}`);
  return formatKubeconfig({ ...endpoint, cluster: "lenj", user, ca: readFileSync(`${paths.pki}/ca.crt`, "utf8"), cert, key });
}

function write(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 });
}

async function ensureKeyed(base: string, make: () => Promise<KeyedCertificate>): Promise<KeyedCertificate> {
  // The key is written first: a certificate without its key is what a crash must not leave.
  if (existsSync(`${base}.crt`) && existsSync(`${base}.key`)) return readKeyed(base);
  const made = await make();
  write(`${base}.key`, made.key);
  writeFileSync(`${base}.crt`, made.cert);
  return made;
}

function readKeyed(base: string): KeyedCertificate {
  return { cert: readFileSync(`${base}.crt`, "utf8"), key: readFileSync(`${base}.key`, "utf8") };
}
