// The plan of a lab: which hosts exist, at which addresses, and which processes run on them with which flags. Pure.
//
// Everything about a lab follows from its LabConfig, so that `up` after a crash starts the same cluster again.

/** What the user chose, plus what was decided once at the first `up`. Kept in <state>/lab.json. */
export interface LabConfig {
  /** Short and unique on the machine: names cgroups and the socket folder. */
  readonly id: string;
  readonly nodes: number;
  readonly storeReplicas: number;
  /** Ports on 127.0.0.1 through which the machine's own programs reach the lab. */
  readonly ports: { readonly apiserver: number; readonly grpc: number; readonly stores: readonly number[] };
  /** Per node; undefined: no bound but the machine's own. */
  readonly nodeMemoryBytes?: number;
  readonly nodeCPUs?: number;
  readonly containerRuntime: ContainerRuntime;
}

export type ProcessKind = "store" | "apiserver" | "scheduler" | "controller-manager" | "dns" | "kubelet" | "runtime" | "proxy";

/** The embedded runtime, or the containerd installed on the machine, one daemon a node. */
export type ContainerRuntime = "embedded" | "containerd";

export interface Host {
  readonly name: string;
  readonly address: string;
  /** A node is a capsule with namespaces of its own; a control-plane host is a network namespace. */
  readonly kind: "control-plane" | "node";
}

export interface ProcessSpec {
  /** As users name it: "store-1", "node-1/kubelet". */
  readonly name: string;
  readonly kind: ProcessKind;
  readonly host: string;
  readonly args: readonly string[];
  /** Absent: a program of ours, run by node. */
  readonly program?: string;
  /** Plain-HTTP health endpoint on the fabric, or inside the node, as host:port. */
  readonly health: string;
}

/** Folders of a lab, absolute. */
export interface LabPaths {
  readonly state: string;
  readonly pki: string;
  readonly logs: string;
  readonly hosts: string;
  readonly kubeconfigs: string;
  /** Short path for unix sockets (their paths are limited to 107 bytes). */
  readonly sockets: string;
}

export interface Topology {
  readonly hosts: readonly Host[];
  readonly processes: readonly ProcessSpec[];
}

export const fabric = {
  address: "10.200.0.1",
  prefixLength: 16,
  bridge: "br0",
  registryPort: 5000,
  podCIDR: "10.244.0.0/16",
  serviceCIDR: "10.96.0.0/16",
  dnsServiceIP: "10.96.0.10",
  kubernetesServiceIP: "10.96.0.1",
  clusterDomain: "cluster.local",
} as const;

export const storePorts = { client: 2379, peer: 2380, metrics: 2381 } as const;
export const apiserverPorts = { rest: 6443, grpc: 6444 } as const;

export const storeAddress = (ordinal: number): string => `10.200.0.${10 + ordinal}`;
export const apiserverAddress = (ordinal: number): string => `10.200.0.${20 + ordinal}`;
export const nodeAddress = (ordinal: number): string => `10.200.1.${ordinal}`;
const schedulerAddress = "10.200.0.31";
const controllerManagerAddress = "10.200.0.41";
export const dnsAddress = "10.200.0.53";

export const nodeName = (ordinal: number): string => `node-${ordinal}`;

/** 1, 2, ... count. */
export const ordinals = (count: number): number[] => Array.from({ length: count }, (_, offset) => offset + 1);

export function planTopology(config: LabConfig, paths: LabPaths): Topology {
  const hosts: Host[] = [
    ...ordinals(config.storeReplicas).map((n) => ({ name: `store-${n}`, address: storeAddress(n), kind: "control-plane" as const })),
    { name: "apiserver-1", address: apiserverAddress(1), kind: "control-plane" },
    { name: "scheduler-1", address: schedulerAddress, kind: "control-plane" },
    { name: "controller-manager-1", address: controllerManagerAddress, kind: "control-plane" },
    { name: "dns-1", address: dnsAddress, kind: "control-plane" },
    ...ordinals(config.nodes).map((n) => ({ name: nodeName(n), address: nodeAddress(n), kind: "node" as const })),
  ];
  const processes = [
    ...ordinals(config.storeReplicas).map((n) => storeProcess(n, config, paths)),
    apiserverProcess(config, paths),
    controllerManagerProcess(config, paths),
    schedulerProcess(paths),
    dnsProcess(paths),
    ...ordinals(config.nodes).flatMap((n) => nodeProcesses(n, config, paths)),
  ];
  return { hosts, processes };
}

function storeProcess(ordinal: number, config: LabConfig, paths: LabPaths): ProcessSpec {
  const name = `store-${ordinal}`;
  const address = storeAddress(ordinal);
  const cluster = ordinals(config.storeReplicas).map((n) => `store-${n}=https://${storeAddress(n)}:${storePorts.peer}`);
  const pki = `${paths.pki}/etcd`;
  return {
    name,
    kind: "store",
    host: name,
    health: `${address}:${storePorts.metrics}`,
    args: [
      `--name=${name}`,
      `--data-dir=${paths.hosts}/${name}`,
      `--listen-client-urls=https://${address}:${storePorts.client}`,
      `--advertise-client-urls=https://${address}:${storePorts.client}`,
      `--listen-peer-urls=https://${address}:${storePorts.peer}`,
      `--initial-advertise-peer-urls=https://${address}:${storePorts.peer}`,
      `--initial-cluster=${cluster.join(",")}`,
      `--initial-cluster-token=${config.id}`,
      "--initial-cluster-state=new",
      `--listen-metrics-urls=http://${address}:${storePorts.metrics}`,
      `--cert-file=${pki}/${name}.crt`,
      `--key-file=${pki}/${name}.key`,
      `--trusted-ca-file=${pki}/ca.crt`,
      "--client-cert-auth",
      `--peer-cert-file=${pki}/${name}.crt`,
      `--peer-key-file=${pki}/${name}.key`,
      `--peer-trusted-ca-file=${pki}/ca.crt`,
      "--peer-client-cert-auth",
    ],
  };
}

function apiserverProcess(config: LabConfig, paths: LabPaths): ProcessSpec {
  const address = apiserverAddress(1);
  const servers = ordinals(config.storeReplicas).map((n) => `https://${storeAddress(n)}:${storePorts.client}`);
  return {
    name: "apiserver-1",
    kind: "apiserver",
    host: "apiserver-1",
    health: `${address}:${apiserverPorts.rest}`,
    args: [
      `--bind-address=${address}`,
      `--advertise-address=${address}`,
      `--secure-port=${apiserverPorts.rest}`,
      `--grpc-port=${apiserverPorts.grpc}`,
      `--etcd-servers=${servers.join(",")}`,
      `--etcd-cafile=${paths.pki}/etcd/ca.crt`,
      `--etcd-certfile=${paths.pki}/etcd/apiserver-client.crt`,
      `--etcd-keyfile=${paths.pki}/etcd/apiserver-client.key`,
      `--client-ca-file=${paths.pki}/ca.crt`,
      `--tls-cert-file=${paths.pki}/apiserver.crt`,
      `--tls-private-key-file=${paths.pki}/apiserver.key`,
      `--kubelet-certificate-authority=${paths.pki}/ca.crt`,
      `--kubelet-client-certificate=${paths.pki}/apiserver-kubelet-client.crt`,
      `--kubelet-client-key=${paths.pki}/apiserver-kubelet-client.key`,
      // The lab's hosts have no names outside the cluster.
      "--kubelet-preferred-address-types=InternalIP",
      `--service-account-issuer=https://kubernetes.default.svc.${fabric.clusterDomain}`,
      `--service-account-key-file=${paths.pki}/sa.pub`,
      `--service-account-signing-key-file=${paths.pki}/sa.key`,
      `--service-cluster-ip-range=${fabric.serviceCIDR}`,
      "--authorization-mode=Node,RBAC",
      "--enable-admission-plugins=NodeRestriction",
    ],
  };
}

function controllerManagerProcess(_config: LabConfig, paths: LabPaths): ProcessSpec {
  return {
    name: "controller-manager-1",
    kind: "controller-manager",
    host: "controller-manager-1",
    health: `${controllerManagerAddress}:10257`,
    args: [
      `--kubeconfig=${paths.kubeconfigs}/controller-manager`,
      `--bind-address=${controllerManagerAddress}`,
      "--secure-port=10257",
      "--leader-elect=true",
      `--root-ca-file=${paths.pki}/ca.crt`,
      `--service-account-private-key-file=${paths.pki}/sa.key`,
      "--allocate-node-cidrs=true",
      `--cluster-cidr=${fabric.podCIDR}`,
      // A lab is for watching failures: noticed in seconds, where upstream's 50 s suit a data centre.
      "--node-monitor-period=1s",
      "--node-monitor-grace-period=16s",
    ],
  };
}

function schedulerProcess(paths: LabPaths): ProcessSpec {
  return {
    name: "scheduler-1",
    kind: "scheduler",
    host: "scheduler-1",
    health: `${schedulerAddress}:10259`,
    args: [
      `--kubeconfig=${paths.kubeconfigs}/scheduler`,
      `--bind-address=${schedulerAddress}`,
      "--secure-port=10259",
      "--leader-elect=true",
    ],
  };
}

function dnsProcess(paths: LabPaths): ProcessSpec {
  return {
    name: "dns-1",
    kind: "dns",
    host: "dns-1",
    health: `${dnsAddress}:8181`,
    args: [
      `--kubeconfig=${paths.kubeconfigs}/dns`,
      `--listen-address=${dnsAddress}:53`,
      `--cluster-domain=${fabric.clusterDomain}`,
      `--healthz-bind-address=${dnsAddress}:8181`,
    ],
  };
}

/** Where the embedded runtime of a node listens; inside the node's own /run. */
export const runtimeSocket = "unix:///run/lenj/runtime.sock";

export const containerdSocket = "unix:///run/containerd/containerd.sock";

function nodeProcesses(ordinal: number, config: LabConfig, paths: LabPaths): ProcessSpec[] {
  const name = nodeName(ordinal);
  const address = nodeAddress(ordinal);
  const folder = `${paths.hosts}/${name}`;
  const embedded: ProcessSpec = {
    name: `${name}/runtime`,
    kind: "runtime",
    host: name,
    health: "127.0.0.1:10351",
    args: [
      `--listen=${runtimeSocket}`,
      `--root=${folder}/runtime`,
      "--state=/run/lenj/runtime",
      `--registry-mirror=http://${fabric.address}:${fabric.registryPort}`,
      `--shared-image-root=${paths.hosts}/images`,
      "--health-port=10351",
    ],
  };
  const kubelet: ProcessSpec = {
    name: `${name}/kubelet`,
    kind: "kubelet",
    host: name,
    health: "127.0.0.1:10248",
    args: [
      `--kubeconfig=${paths.kubeconfigs}/${name}`,
      `--hostname-override=${name}`,
      `--node-ip=${address}`,
      `--root-dir=${folder}/kubelet`,
      `--container-runtime-endpoint=${config.containerRuntime === "embedded" ? runtimeSocket : containerdSocket}`,
      `--client-ca-file=${paths.pki}/ca.crt`,
      `--tls-cert-file=${paths.pki}/${name}.crt`,
      `--tls-private-key-file=${paths.pki}/${name}.key`,
      `--cluster-dns=${fabric.dnsServiceIP}`,
      `--cluster-domain=${fabric.clusterDomain}`,
      `--pod-log-dir=${folder}/log/pods`,
      `--pod-manifest-path=${folder}/manifests`,
      "--node-status-update-frequency=5s",
    ],
  };
  const proxy: ProcessSpec = {
    name: `${name}/proxy`,
    kind: "proxy",
    host: name,
    health: "127.0.0.1:10256",
    args: [
      `--kubeconfig=${paths.kubeconfigs}/${name}-proxy`,
      `--hostname-override=${name}`,
      `--cluster-cidr=${fabric.podCIDR}`,
      "--healthz-bind-address=127.0.0.1:10256",
    ],
  };
  const containerd: ProcessSpec = {
    name: `${name}/runtime`,
    kind: "runtime",
    host: name,
    health: "",
    program: "containerd",
    args: [`--config=${folder}/containerd.toml`],
  };
  return [config.containerRuntime === "embedded" ? embedded : containerd, kubelet, proxy];
}
