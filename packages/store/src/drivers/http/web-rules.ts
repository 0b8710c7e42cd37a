// Which pages of which sites may ask over HTTP, and by which names.
// Source: etcd server/embed/serve.go (accessController), server/etcdserver/cors.go.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";

export interface WebRules {
  /** Whose pages may read answers; undefined: all. */
  readonly origins: readonly string[] | undefined;
  /** Names by which a client without TLS may ask; undefined: all. */
  readonly hosts: readonly string[] | undefined;
}

const misdirected = 421;

/** Sets what browsers are told, or refuses. Returns whether the request has its answer. */
export function applyWebRules({ origins, hosts }: WebRules, request: IncomingMessage, response: ServerResponse): boolean {
  const host = hostnameOf(request);
  if (hosts !== undefined && !hosts.includes(host) && (request.socket as TLSSocket).encrypted !== true) {
    response.writeHead(misdirected, { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" });
    response.end(refusal(host));
    return true;
  }
  const origin = origins === undefined ? "*" : origins.find((allowed) => allowed === request.headers.origin);
  if (origin !== undefined) {
    response.setHeader("access-control-allow-methods", "POST, GET, OPTIONS, PUT, DELETE");
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-allow-headers", "accept, content-type, authorization");
  }
  if (request.method !== "OPTIONS") return false;
  response.writeHead(200).end();
  return true;
}

/** Without port and brackets. */
const hostnameOf = (request: IncomingMessage): string => (request.headers.host ?? "").replace(/:\d*$/, "").replace(/^\[|\]$/g, "");

const refusal = (
  host: string,
): string => `This store does not answer to the Host ${JSON.stringify(host)} without TLS, so that pages of other sites
cannot reach it by a name of theirs (DNS rebinding, CVE-2018-5702).
Use TLS, or name the host: --host-whitelist ${JSON.stringify(host)}
`;
