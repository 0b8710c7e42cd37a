// Reads a kubeconfig file into a ClientConfig. Upstream: client-go tools/clientcmd.
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import type { ClientConfig } from "./client-config.js";

/** Name of the cluster extension that announces the gRPC API: `{server: "host:port"}`. */
export const GRPC_EXTENSION = "lenj.dev/grpc";

interface NamedExtension {
  name?: string;
  extension?: unknown;
}
interface ClusterEntry {
  server?: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
  extensions?: NamedExtension[];
}
interface UserEntry {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
}
interface ContextEntry {
  cluster?: string;
  user?: string;
  namespace?: string;
}
interface Kubeconfig {
  "current-context"?: string;
  clusters?: { name?: string; cluster?: ClusterEntry }[] | null;
  users?: { name?: string; user?: UserEntry }[] | null;
  contexts?: { name?: string; context?: ContextEntry }[] | null;
}

/** Reads `path`. Relative file names inside are relative to its folder. Throws an Error that names what is missing. */
export async function loadKubeconfig(path: string, options: { readonly context?: string } = {}): Promise<ClientConfig> {
  const text = await readFile(path, "utf8");
  return parseKubeconfig(text, { ...options, folder: dirname(resolve(path)), origin: path });
}

export async function parseKubeconfig(
  text: string,
  options: { readonly context?: string; readonly folder: string; readonly origin: string },
): Promise<ClientConfig> {
  const config = await parseDocument(text, options.origin);
  const contextName = options.context ?? config["current-context"] ?? "";
  const context = config.contexts?.find((entry) => entry.name === contextName)?.context;
  if (context === undefined) throw new Error(`Cannot use kubeconfig ${options.origin}: context "${contextName}" does not exist`);
  const cluster = config.clusters?.find((entry) => entry.name === context.cluster)?.cluster;
  if (cluster?.server === undefined || cluster.server === "") {
    throw new Error(`Cannot use kubeconfig ${options.origin}: cluster "${context.cluster ?? ""}" does not exist or has no server`);
  }
  const user = config.users?.find((entry) => entry.name === context.user)?.user;
  if (user === undefined && (context.user ?? "") !== "") {
    throw new Error(`Cannot use kubeconfig ${options.origin}: user "${context.user}" does not exist`);
  }
  return assemble(cluster, user ?? {}, context, options.folder);
}

async function assemble(cluster: ClusterEntry, user: UserEntry, context: ContextEntry, folder: string): Promise<ClientConfig> {
  const caData = await dataOrFile(cluster["certificate-authority-data"], cluster["certificate-authority"], folder);
  const clientCertificateData = await dataOrFile(user["client-certificate-data"], user["client-certificate"], folder);
  const clientKeyData = await dataOrFile(user["client-key-data"], user["client-key"], folder);
  const extension = cluster.extensions?.find((entry) => entry.name === GRPC_EXTENSION)?.extension as { server?: string } | undefined;
  return {
    server: cluster.server ?? "",
    namespace: context.namespace ?? "default",
    ...(extension?.server !== undefined && { grpcServer: extension.server }),
    ...(caData !== undefined && { caData }),
    ...(clientCertificateData !== undefined && { clientCertificateData }),
    ...(clientKeyData !== undefined && { clientKeyData }),
    ...(user.token !== undefined && user.token !== "" && { token: user.token }),
    ...(user.tokenFile !== undefined && user.tokenFile !== "" && { tokenFile: inFolder(user.tokenFile, folder) }),
    ...(cluster["insecure-skip-tls-verify"] === true && { insecureSkipTLSVerify: true }),
    ...(cluster["tls-server-name"] !== undefined && { tlsServerName: cluster["tls-server-name"] }),
  };
}

/** Inline data wins over a file, as in client-go. */
async function dataOrFile(data: string | undefined, file: string | undefined, folder: string): Promise<string | undefined> {
  if (data !== undefined && data !== "") return Buffer.from(data, "base64").toString("utf8");
  if (file !== undefined && file !== "") return readFile(inFolder(file, folder), "utf8");
  return undefined;
}

function inFolder(file: string, folder: string): string {
  return isAbsolute(file) ? file : resolve(folder, file);
}

async function parseDocument(text: string, origin: string): Promise<Kubeconfig> {
  try {
    // JSON is YAML; trying it first spares a process the YAML library where the file allows it.
    if (text.trimStart().startsWith("{")) return JSON.parse(text) as Kubeconfig;
    const { parse } = await import("yaml");
    return (parse(text) ?? {}) as Kubeconfig;
  } catch (cause) {
    throw new Error(`Cannot parse kubeconfig ${origin}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
