// What is asked over HTTP/1.1 at the addresses for clients, and at those for metrics: the JSON gateway, health, version, metrics.
// Source: etcd server/embed/serve.go and server/etcdserver/api/etcdhttp.
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import { storeVersion } from "../../services/context.js";
import type { Gateway } from "./gateway.js";
import { checkHealth, type HealthState, healthChecks, runChecks } from "./health-endpoints.js";
import { applyWebRules, type WebRules } from "./web-rules.js";

export interface ClientHTTPOptions {
  readonly replica: HealthState;
  readonly metrics: Registry;
  readonly web: WebRules;
  /** Absent at addresses that are for metrics only. */
  readonly gateway?: Gateway;
  /** Hears the outcome of each /health. */
  readonly onHealth: (isHealthy: boolean) => void;
}

const plainText = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };

export function clientHTTP(options: ClientHTTPOptions): RequestListener {
  return (request, response) => {
    if (applyWebRules(options.web, request, response)) return;
    if (options.gateway?.answer(request, response) !== true) answer(options, request, response).catch(() => response.destroy());
  };
}

async function answer(options: ClientHTTPOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://store");
  const [, asked = "", name, ...rest] = pathname.split("/");
  // etcd has no /healthz; every process of a cluster answers it, and means what /livez means.
  const endpoint = asked === "healthz" ? "livez" : asked;
  const known = ["health", "livez", "readyz", "version", "metrics"].includes(endpoint);
  if (!known || rest.length > 0) return notFound(response);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { ...plainText, allow: "GET" }).end("Method Not Allowed\n");
    return;
  }
  if (endpoint === "livez" || endpoint === "readyz") return checks(options, { endpoint, name, searchParams }, response);
  if (name !== undefined) return notFound(response);
  if (endpoint === "metrics") {
    const text = await options.metrics.metrics();
    response.writeHead(200, { "content-type": options.metrics.contentType }).end(text);
  } else if (endpoint === "version") {
    const { version } = options.replica.state.version;
    const versions = { etcdserver: storeVersion, etcdcluster: version === "" ? "not_decided" : version, storage: version };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(versions));
  } else await health(options, searchParams, response);
}

async function health({ replica, onHealth }: ClientHTTPOptions, query: URLSearchParams, response: ServerResponse): Promise<void> {
  const found = await checkHealth(replica, {
    excludedAlarms: query.getAll("exclude"),
    isSerializable: query.get("serializable") === "true",
  });
  const isHealthy = found.health === "true";
  onHealth(isHealthy);
  response.writeHead(isHealthy ? 200 : 503, plainText).end(`${JSON.stringify(found)}${isHealthy ? "" : "\n"}`);
}

interface AskedChecks {
  readonly endpoint: "livez" | "readyz";
  /** One check alone. */
  readonly name: string | undefined;
  readonly searchParams: URLSearchParams;
}

async function checks(
  { replica }: ClientHTTPOptions,
  { endpoint, name, searchParams }: AskedChecks,
  response: ServerResponse,
): Promise<void> {
  const all = Object.keys(healthChecks[endpoint]);
  if (name !== undefined && !all.includes(name)) return notFound(response);
  const excluded = name === undefined ? searchParams.getAll("exclude") : [];
  const { isHealthy, lines } = await runChecks(
    replica,
    endpoint,
    (name === undefined ? all : [name]).filter((check) => !excluded.includes(check)),
  );
  if (isHealthy) response.writeHead(200, plainText).end(`${searchParams.has("verbose") ? lines : ""}ok\n`);
  else response.writeHead(503, plainText).end(`${lines}\n`);
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, plainText).end("404 page not found\n");
}
