// Subresources that other servers answer: logs, exec, attach and port-forward by kubelets; proxy by pods, services and nodes.
// Source: pkg/registry/core/{pod,node,service}/rest.
import { type KubernetesObject, newBadRequest, newGenericServerResponse, newNotFound, newServiceUnavailable } from "@lenj/apimachinery";
import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import type { ObjectReader } from "../auth/ports.js";
import { attributesOf } from "../handlers/admit.js";
import { getObject } from "../handlers/get.js";
import type { ResourceRequest } from "../rest/resource-routes.js";
import { execPath, hostOf, kubeletOf, logPath, portForwardPath } from "./kubelet-location.js";
import { validateLogOptions } from "./log-options.js";
import { forwardedHeaders, type RelayTarget, relayRequest, relayUpgrade } from "./relay.js";

export interface KubeletAccess {
  readonly preferredAddressTypes: readonly string[];
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Kubelets' certificates are not checked without it. */
  readonly ca: string | undefined;
  readonly connectTimeoutMs: number;
}

export type ProxyHandler = (request: ResourceRequest) => Promise<void>;

/** By `<group>/<resource>/<subresource>`. */
export function createProxies(reader: ObjectReader, kubelets: KubeletAccess): ReadonlyMap<string, ProxyHandler> {
  const kubeletTarget = (nodeName: string, path: string): RelayTarget => {
    const node = reader.get<corev1.Node>({ group: "", resource: "nodes" }, undefined, nodeName);
    const { host, port } = kubeletOf(node, nodeName, kubelets.preferredAddressTypes);
    const { cert, key, ca, connectTimeoutMs } = kubelets;
    return { scheme: "https", host, port, path, tls: { cert, key, ca, isVerified: ca !== undefined }, connectTimeoutMs };
  };
  const ofPod =
    (makePath: (pod: corev1.Pod, query: URLSearchParams) => string): ProxyHandler =>
    async (resource) => {
      const pod = await readPod(resource);
      const path = makePath(pod, resource.exchange.query);
      await relay(resource, kubeletTarget(hostOf(pod), path));
    };
  return new Map<string, ProxyHandler>([
    ["/pods/exec", ofPod((pod, query) => execPath(pod, "exec", query))],
    ["/pods/attach", ofPod((pod, query) => execPath(pod, "attach", query))],
    ["/pods/portforward", ofPod(portForwardPath)],
    [
      "/pods/log",
      async (resource) => {
        const { call, exchange } = resource;
        validateLogOptions(exchange.query, call.name);
        const pod = await readPod(resource);
        const path = logPath(pod, exchange.query);
        // A pod that has not been placed has said nothing yet.
        if (!pod.spec?.nodeName) return exchange.send(200, { "content-type": "text/plain" }, "");
        const refusal = (code: number, body: string): Error =>
          code === 400
            ? newBadRequest(body)
            : newGenericServerResponse({
                code,
                verb: "GET",
                resource: { group: "", resource: "pods/log" },
                name: call.name,
                serverMessage: body.trim(),
                retryAfterSeconds: 0,
                unexpected: true,
              });
        await relayRequest(exchange, kubeletTarget(pod.spec.nodeName, path), { signal: call.signal, refusal });
      },
    ],
    [
      "/nodes/proxy",
      async (resource) => {
        const { scheme, name, port } = splitName(resource.call.name, "https");
        if (await redirected(resource)) return;
        const target = kubeletTarget(name, restOf(resource));
        await relay(resource, { ...target, scheme, port: port === "" ? target.port : Number(port) });
      },
    ],
    [
      "/pods/proxy",
      async (resource) => {
        const { scheme, name, port } = splitName(resource.call.name);
        if (await redirected(resource)) return;
        const pod = await readPod({ ...resource, call: { ...resource.call, name } });
        const host = pod.status?.podIP ?? "";
        const number = port === "" ? (pod.spec?.containers?.[0]?.ports?.[0]?.containerPort ?? 80) : portOfPod(pod, port);
        await relay(resource, directTarget({ scheme, host, port: number }, resource, kubelets));
      },
    ],
    [
      "/services/proxy",
      async (resource) => {
        const { scheme, name, port } = splitName(resource.call.name);
        if (await redirected(resource)) return;
        const { host, port: number } = endpointOf(reader, resource.call.namespace, name, port);
        await relay(resource, directTarget({ scheme, host, port: number }, resource, kubelets));
      },
    ],
  ]);
}

async function readPod({ machine, call }: ResourceRequest): Promise<corev1.Pod> {
  const endpoint = { declaration: call.endpoint.declaration, subresource: undefined };
  return (await getObject(machine, { ...call, endpoint })).object as corev1.Pod;
}

async function relay(resource: ResourceRequest, target: RelayTarget): Promise<void> {
  const { machine, call, exchange } = resource;
  const admission = attributesOf(call, { operation: "CONNECT", object: {} as KubernetesObject, oldObject: undefined, dryRun: false });
  await machine.admission.admit(admission);
  await machine.admission.validate(admission);
  if (exchange.upgrade === undefined) return relayRequest(exchange, target, { signal: call.signal });
  const headers = forwardedHeaders(exchange.headers(), exchange.remoteAddress);
  const protocols = headers["sec-websocket-protocol"];
  // The token that browsers send as a protocol was for this server.
  if (typeof protocols === "string")
    headers["sec-websocket-protocol"] = protocols
      .split(",")
      .map((part) => part.trim())
      .filter((part) => !part.startsWith("base64url.bearer."))
      .join(", ");
  await relayUpgrade(exchange.upgrade, target, headers);
}

/** `[scheme:]name[:port]`. */
function splitName(text: string, byDefault: "http" | "https" = "http"): { scheme: "http" | "https"; name: string; port: string } {
  const parts = text.split(":");
  if (parts.length === 1) return { scheme: byDefault, name: text, port: "" };
  if (parts.length === 2) return { scheme: byDefault, name: parts[0] as string, port: parts[1] as string };
  const [scheme, name, port] = parts as [string, string, string];
  if (parts.length !== 3 || (scheme !== "http" && scheme !== "https" && scheme !== ""))
    throw newBadRequest(`invalid request ${JSON.stringify(text)}`);
  return { scheme: scheme === "" ? byDefault : scheme, name, port };
}

/** What follows `/proxy`, with the query. */
function restOf({ exchange, call }: ResourceRequest): string {
  const marker = `/${encodeURIComponent(call.name)}/proxy`;
  const plain = `/${call.name}/proxy`;
  const at = exchange.path.includes(plain) ? exchange.path.indexOf(plain) + plain.length : exchange.path.indexOf(marker) + marker.length;
  const rest = exchange.path.slice(at);
  return `${rest === "" ? "/" : rest}${exchange.rawQuery}`;
}

/** Relative links of the page behind the proxy need the slash. */
async function redirected({ exchange }: ResourceRequest): Promise<boolean> {
  if (!exchange.path.endsWith("/proxy") || (exchange.method !== "GET" && exchange.method !== "HEAD")) return false;
  await exchange.send(301, { location: `${exchange.path}/${exchange.rawQuery}` }, "");
  return true;
}

function directTarget(
  address: { scheme: "http" | "https"; host: string; port: number },
  resource: ResourceRequest,
  kubelets: KubeletAccess,
): RelayTarget {
  if (!isProxyable(address.host)) throw newBadRequest("address not allowed");
  return { ...address, path: restOf(resource), tls: { isVerified: false }, connectTimeoutMs: kubelets.connectTimeoutMs };
}

/** The proxy must not become a way to this host's own services. Source: pkg/proxy/util IsProxyableIP. */
function isProxyable(host: string): boolean {
  return host !== "" && !/^(127\.|0\.|169\.254\.|22[4-9]\.|23\d\.|::1$|::$|fe80:|ff)/i.test(host);
}

function portOfPod(pod: corev1.Pod, port: string): number {
  if (/^\d+$/.test(port)) return Number(port);
  const named = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []).find(({ name }) => name === port);
  if (named?.containerPort === undefined) throw newBadRequest(`invalid port ${JSON.stringify(port)}`);
  return named.containerPort;
}

function endpointOf(reader: ObjectReader, namespace: string, name: string, port: string): { host: string; port: number } {
  const service = reader.get<corev1.Service>({ group: "", resource: "services" }, namespace, name);
  if (service === undefined) throw newNotFound({ group: "", resource: "services" }, name);
  const ports = service.spec?.ports ?? [];
  const wanted =
    port === ""
      ? ports.length === 1
        ? ports[0]
        : ports.find((candidate) => !candidate.name)
      : ports.find((candidate) => candidate.name === port || String(candidate.port) === port);
  if (wanted === undefined)
    throw newServiceUnavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`);
  const slices = reader
    .list<discoveryv1.EndpointSlice>({ group: "discovery.k8s.io", resource: "endpointslices" }, namespace)
    .filter(({ metadata }) => metadata?.labels?.["kubernetes.io/service-name"] === name);
  for (const slice of slices) {
    const number = slice.ports?.find((candidate) => (candidate.name ?? "") === (wanted.name ?? ""))?.port;
    const host = slice.endpoints?.find(({ conditions }) => conditions?.ready !== false)?.addresses?.[0];
    if (number !== undefined && host !== undefined) return { host, port: number };
  }
  throw newServiceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
}
