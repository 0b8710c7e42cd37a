// Where a pod's kubelet is and what to ask it. Source: pkg/registry/core/pod/strategy.go (LogLocation, streamLocation), pkg/kubelet/client.
import { newBadRequest, newNotFound, newPlainError, newServiceUnavailable } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

export interface KubeletLocation {
  readonly host: string;
  readonly port: number;
}

const kubeletPort = 10_250;

/** The kubelet of a node by the first of `preferredTypes` that the node has an address of. Throws StatusError. */
export function kubeletOf(node: corev1.Node | undefined, nodeName: string, preferredTypes: readonly string[]): KubeletLocation {
  if (node === undefined) throw newNotFound({ group: "", resource: "nodes" }, nodeName);
  const addresses = node.status?.addresses ?? [];
  for (const type of preferredTypes) {
    const address = addresses.find((candidate) => candidate.type === type)?.address;
    if (address !== undefined && address !== "")
      return { host: address, port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || kubeletPort };
  }
  throw newServiceUnavailable(
    `no preferred addresses found; known addresses: [${addresses.map(({ type, address }) => `{${type} ${address}}`).join(" ")}]`,
  );
}

/** The container that is meant: the named one, or the only one. Throws StatusError BadRequest in upstream's words. */
export function chooseContainer(pod: corev1.Pod, wanted: string): string {
  const { spec, metadata } = pod;
  const name = metadata?.name ?? "";
  const containers = (spec?.containers ?? []).map((container) => container.name ?? "");
  const inits = (spec?.initContainers ?? []).map((container) => container.name ?? "");
  const ephemeral = (spec?.ephemeralContainers ?? []).map((container) => container.name ?? "");
  if (wanted !== "") {
    if (![...containers, ...inits, ...ephemeral].includes(wanted)) throw newBadRequest(`container ${wanted} is not valid for pod ${name}`);
    return wanted;
  }
  const [only] = containers;
  if (only !== undefined && containers.length === 1) return only;
  if (only === undefined) throw newBadRequest(`a container name must be specified for pod ${name}`);
  const others = [
    ...(inits.length > 0 ? [` or one of the init containers: [${inits.join(" ")}]`] : []),
    ...(ephemeral.length > 0 ? [` or one of the ephemeral containers: [${ephemeral.join(" ")}]`] : []),
  ];
  throw newBadRequest(`a container name must be specified for pod ${name}, choose one of: [${containers.join(" ")}]${others.join("")}`);
}

export function hostOf(pod: corev1.Pod): string {
  const nodeName = pod.spec?.nodeName ?? "";
  if (nodeName === "") throw newBadRequest(`pod ${pod.metadata?.name ?? ""} does not have a host assigned`);
  return nodeName;
}

/** Path and query of exec and attach on the kubelet. */
export function execPath(pod: corev1.Pod, which: "exec" | "attach", query: URLSearchParams): string {
  const container = chooseContainer(pod, query.get("container") ?? "");
  const isOn = (name: string, byDefault: boolean): boolean =>
    query.has(name) ? ["", "1", "true"].includes(query.get(name) ?? "") : byDefault;
  const asked = new URLSearchParams();
  const tty = isOn("tty", false);
  if (isOn("stdin", false)) asked.append("input", "1");
  if (isOn("stdout", true)) asked.append("output", "1");
  if (isOn("stderr", true) && !tty) asked.append("error", "1");
  if (tty) asked.append("tty", "1");
  if ([...asked.keys()].every((key) => key === "tty")) throw newBadRequest("you must specify at least 1 of stdin, stdout, stderr");
  for (const part of query.getAll("command")) asked.append("command", part);
  return `/${which}/${segments(pod)}/${encodeURIComponent(container)}?${asked.toString()}`;
}

export function portForwardPath(pod: corev1.Pod, query: URLSearchParams): string {
  const ports = query.getAll("ports").flatMap((text) => text.split(","));
  const asked = new URLSearchParams(ports.map((port): [string, string] => ["port", port]));
  return `/portForward/${segments(pod)}${ports.length > 0 ? `?${asked.toString()}` : ""}`;
}

const logParameters = ["follow", "previous", "timestamps", "sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream"] as const;

export function logPath(pod: corev1.Pod, query: URLSearchParams): string {
  const container = chooseContainer(pod, query.get("container") ?? "");
  const asked = new URLSearchParams();
  for (const name of logParameters) {
    const value = query.get(name);
    if (value !== null && value !== "" && value !== "false") asked.append(name, value);
  }
  return `/containerLogs/${segments(pod)}/${encodeURIComponent(container)}${[...asked.keys()].length > 0 ? `?${asked.toString()}` : ""}`;
}

function segments(pod: corev1.Pod): string {
  const { namespace, name } = pod.metadata ?? {};
  if (namespace === undefined || name === undefined) throw newPlainError("pod has no name");
  return `${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}
