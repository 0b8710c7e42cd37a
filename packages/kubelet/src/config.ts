// What the kubelet runs with, decided once from flags, the KubeletConfiguration file and the machine.
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { parseDuration } from "@lenj/component-base";
import type { corev1 } from "@lenj/proto/k8s";
import { defaultThresholds, type EvictionThresholds } from "./core/eviction/eviction.js";
import { milliUnits, wholeUnits } from "./core/resources/amount.js";
import { type KubeletOptions, kubeletFlags, nodeName, parseTaint } from "./options.js";

export interface KubeletConfig {
  readonly nodeName: string;
  /** Addresses of the node, primary first. */
  readonly nodeIPs: readonly string[];
  readonly rootDirectory: string;
  readonly podLogRoot: string;
  readonly containerLogRoot: string;
  readonly containerRuntimeEndpoint: string;
  readonly address: string;
  readonly port: number;
  readonly clusterDNS: readonly string[];
  readonly clusterDomain: string;
  readonly resolvConf: string;
  readonly podManifestPath: string;
  readonly fileCheckMs: number;
  readonly maxPods: number;
  readonly podPidsMax: number | undefined;
  readonly nodeLabels: Readonly<Record<string, string>>;
  readonly taints: readonly corev1.Taint[];
  readonly registerNode: boolean;
  readonly registerSchedulable: boolean;
  readonly nodeStatusUpdateMs: number;
  readonly nodeStatusReportMs: number;
  readonly nodeLeaseSeconds: number;
  readonly syncMs: number;
  readonly serializeImagePulls: boolean;
  readonly cgroupsPerQOS: boolean;
  readonly reserved: { readonly milliCPU: number; readonly memoryBytes: number; readonly storageBytes: number };
  readonly imageGC: { readonly highThresholdPercent: number; readonly lowThresholdPercent: number };
  readonly logRotation: { readonly maxBytes: number; readonly maxFiles: number };
  readonly eviction: EvictionThresholds;
}

/** Fields of KubeletConfiguration that this kubelet knows, and the option each sets. */
const fileFields: Readonly<Record<string, { readonly option: keyof KubeletOptions; readonly read: (value: unknown) => unknown }>> = {
  address: { option: "address", read: String },
  port: { option: "port", read: Number },
  healthzBindAddress: { option: "healthzBindAddress", read: String },
  healthzPort: { option: "healthzPort", read: Number },
  clusterDNS: { option: "clusterDns", read: (value) => (value as unknown[]).map(String) },
  clusterDomain: { option: "clusterDomain", read: String },
  resolvConf: { option: "resolvConf", read: String },
  tlsCertFile: { option: "tlsCertFile", read: String },
  tlsPrivateKeyFile: { option: "tlsPrivateKeyFile", read: String },
  staticPodPath: { option: "podManifestPath", read: String },
  fileCheckFrequency: { option: "fileCheckFrequency", read: duration },
  maxPods: { option: "maxPods", read: Number },
  podPidsLimit: { option: "podMaxPids", read: Number },
  syncFrequency: { option: "syncFrequency", read: duration },
  nodeStatusUpdateFrequency: { option: "nodeStatusUpdateFrequency", read: duration },
  nodeStatusReportFrequency: { option: "nodeStatusReportFrequency", read: duration },
  nodeLeaseDurationSeconds: { option: "nodeLeaseDurationSeconds", read: Number },
  serializeImagePulls: { option: "serializeImagePulls", read: Boolean },
  imageGCHighThresholdPercent: { option: "imageGcHighThreshold", read: Number },
  imageGCLowThresholdPercent: { option: "imageGcLowThreshold", read: Number },
  containerLogMaxSize: { option: "containerLogMaxSize", read: String },
  containerLogMaxFiles: { option: "containerLogMaxFiles", read: Number },
  containerRuntimeEndpoint: { option: "containerRuntimeEndpoint", read: String },
  cgroupDriver: { option: "cgroupDriver", read: String },
  registerNode: { option: "registerNode", read: Boolean },
  kubeReserved: { option: "kubeReserved", read: (value) => value },
  systemReserved: { option: "systemReserved", read: (value) => value },
};

function duration(value: unknown): number {
  return parseDuration(String(value));
}

/** Options with what the --config file sets where the command line left the default. Rejects for a file that is none. */
export async function withConfigFile(options: KubeletOptions): Promise<KubeletOptions> {
  if (options.config === "") return options;
  const { parse } = await import("yaml");
  const file = parse(await readFile(options.config, "utf8")) as Record<string, unknown> & {
    authentication?: { x509?: { clientCAFile?: string }; anonymous?: { enabled?: boolean } };
    authorization?: { mode?: string };
  };
  if (file["kind"] !== "KubeletConfiguration")
    throw new Error(`failed to load kubelet config file ${options.config}: no kind "KubeletConfiguration"`);
  const result = { ...options } as Record<string, unknown>;
  const set = (option: string, value: unknown): void => {
    if (JSON.stringify(result[option]) === JSON.stringify(defaultOf(option))) result[option] = value;
  };
  for (const [field, { option, read }] of Object.entries(fileFields)) if (file[field] !== undefined) set(option, read(file[field]));
  if (file.authentication?.x509?.clientCAFile !== undefined) set("clientCaFile", file.authentication.x509.clientCAFile);
  if (file.authentication?.anonymous?.enabled !== undefined) set("anonymousAuth", file.authentication.anonymous.enabled);
  if (file.authorization?.mode !== undefined) set("authorizationMode", file.authorization.mode);
  return result as unknown as KubeletOptions;
}

function defaultOf(option: string): unknown {
  const flag = option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return (kubeletFlags as Readonly<Record<string, { default: unknown }>>)[flag]?.default;
}

export function decideConfig(options: KubeletOptions): KubeletConfig {
  const reserved = [options.kubeReserved, options.systemReserved];
  const sum = (read: (reserved: Readonly<Record<string, string>>) => number): number =>
    reserved.reduce((total, entry) => total + read(entry), 0);
  const eviction = parseThresholds(options.evictionHard);
  return Object.freeze({
    nodeName: nodeName(options),
    nodeIPs: options.nodeIp === "" ? defaultNodeIPs() : options.nodeIp.split(",").map((ip) => ip.trim()),
    rootDirectory: options.rootDir,
    podLogRoot: options.podLogDir,
    containerLogRoot: options.containerLogDir,
    containerRuntimeEndpoint: options.containerRuntimeEndpoint,
    address: options.address,
    port: options.port,
    clusterDNS: options.clusterDns,
    clusterDomain: options.clusterDomain,
    resolvConf: options.resolvConf,
    podManifestPath: options.podManifestPath,
    fileCheckMs: options.fileCheckFrequency,
    maxPods: options.maxPods,
    podPidsMax: options.podMaxPids > 0 ? options.podMaxPids : undefined,
    nodeLabels: options.nodeLabels,
    taints: options.registerWithTaints.flatMap((text) => {
      const taint = parseTaint(text);
      return taint === undefined ? [] : [taint];
    }),
    registerNode: options.registerNode,
    registerSchedulable: options.registerSchedulable,
    nodeStatusUpdateMs: options.nodeStatusUpdateFrequency,
    nodeStatusReportMs: options.nodeStatusReportFrequency,
    nodeLeaseSeconds: options.nodeLeaseDurationSeconds,
    syncMs: options.syncFrequency,
    serializeImagePulls: options.serializeImagePulls,
    cgroupsPerQOS: options.cgroupsPerQos,
    // What eviction keeps free is not offered to the scheduler either.
    reserved: {
      milliCPU: sum((entry) => milliUnits(entry["cpu"])),
      memoryBytes: sum((entry) => wholeUnits(entry["memory"])) + eviction.memoryAvailableBytes,
      storageBytes: sum((entry) => wholeUnits(entry["ephemeral-storage"])),
    },
    imageGC: { highThresholdPercent: options.imageGcHighThreshold, lowThresholdPercent: options.imageGcLowThreshold },
    logRotation: { maxBytes: wholeUnits(options.containerLogMaxSize), maxFiles: options.containerLogMaxFiles },
    eviction,
  });
}

/** "memory.available<100Mi,nodefs.available<10%"; signals that are not named are not watched. */
export function parseThresholds(text: string): EvictionThresholds {
  const result = { ...defaultThresholds, memoryAvailableBytes: 0, nodefsAvailable: 0, nodefsInodesFree: 0 };
  for (const part of text.split(",")) {
    const [signal, amount] = part.split("<").map((word) => word.trim());
    if (signal === undefined || amount === undefined) continue;
    const share = amount.endsWith("%") ? Number(amount.slice(0, -1)) / 100 : undefined;
    if (signal === "memory.available") result.memoryAvailableBytes = wholeUnits(amount);
    else if (signal === "nodefs.available" && share !== undefined) result.nodefsAvailable = share;
    else if (signal === "nodefs.inodesFree" && share !== undefined) result.nodefsInodesFree = share;
  }
  return result;
}

function defaultNodeIPs(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const usable = addresses.filter((entry) => !entry.internal && !entry.address.startsWith("fe80:"));
  return (usable.find((entry) => entry.family === "IPv4") ?? usable[0] ?? { address: "127.0.0.1" }).address.split(",");
}
