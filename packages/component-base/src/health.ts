// Named health checks and the small server that shows them beside the metrics.
import { createServer as createHTTPServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHTTPSServer } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Registry } from "prom-client";

export type HealthEndpoint = "healthz" | "livez" | "readyz";

/** Passes by returning or resolving, fails by throwing or rejecting; the error is logged by callers, never sent. */
export type HealthCheck = () => void | Promise<void>;

export interface HealthReport {
  readonly healthy: boolean;
  /** Upstream's verbose text: one `[+]name ok` or `[-]name failed: reason withheld` line a check, then the verdict. */
  readonly text: string;
}

/** The checks of one process. */
export class HealthChecks {
  readonly #checks = new Map<string, { check: HealthCheck; endpoints: readonly HealthEndpoint[] }>();

  constructor() {
    this.register("ping", () => {});
  }

  /** Adds or replaces a check. Default: it counts for all three endpoints. */
  register(name: string, check: HealthCheck, endpoints: readonly HealthEndpoint[] = ["healthz", "livez", "readyz"]): void {
    this.#checks.set(name, { check, endpoints });
  }

  names(endpoint: HealthEndpoint): string[] {
    return [...this.#checks].filter(([, entry]) => entry.endpoints.includes(endpoint)).map(([name]) => name);
  }

  async report(endpoint: HealthEndpoint, options: { only?: string; exclude?: readonly string[] } = {}): Promise<HealthReport> {
    const names = options.only === undefined ? this.names(endpoint) : [options.only];
    const lines: string[] = [];
    let healthy = true;
    for (const name of names) {
      if (options.exclude?.includes(name)) {
        lines.push(`[+]${name} excluded: ok`);
        continue;
      }
      try {
        await this.#checks.get(name)?.check();
        lines.push(`[+]${name} ok`);
      } catch {
        healthy = false;
        lines.push(`[-]${name} failed: reason withheld`);
      }
    }
    lines.push(healthy ? `${endpoint} check passed` : `${endpoint} check failed`);
    return { healthy, text: `${lines.join("\n")}\n` };
  }
}

/**
 * Answers /healthz, /livez, /readyz (with `?verbose`, `?exclude=name` and `/<check>`) and /metrics.
 * Returns false, having written nothing, for any other path.
 */
export async function answerHealth(
  request: IncomingMessage,
  response: ServerResponse,
  health: HealthChecks,
  metrics: Registry,
): Promise<boolean> {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname === "/metrics") {
    const body = await metrics.metrics();
    response.writeHead(200, { "content-type": metrics.contentType }).end(body);
    return true;
  }
  const match = /^\/(healthz|livez|readyz)(?:\/(.+))?$/.exec(url.pathname);
  if (match === null) return false;
  const endpoint = match[1] as HealthEndpoint;
  const only = match[2];
  if (only !== undefined && !health.names(endpoint).includes(only)) return false;
  const report = await health.report(endpoint, { ...(only === undefined ? {} : { only }), exclude: url.searchParams.getAll("exclude") });
  const text = report.healthy && !url.searchParams.has("verbose") ? "ok" : report.text;
  response
    .writeHead(report.healthy ? 200 : 500, { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" })
    .end(text);
  return true;
}

export interface HealthServerOptions {
  readonly address: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly health: HealthChecks;
  readonly metrics: Registry;
  /** PEM texts; plain HTTP when absent. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves health and metrics. Rejects with the listen error (EADDRINUSE, ...). */
export async function serveHealth(options: HealthServerOptions): Promise<HealthServer> {
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    answerHealth(request, response, options.health, options.metrics).then(
      (answered) => {
        if (!answered) response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("404 page not found\n");
      },
      () => response.destroy(),
    );
  };
  const server: Server =
    options.tls === undefined
      ? createHTTPServer(onRequest)
      : createHTTPSServer({ cert: options.tls.cert, key: options.tls.key }, onRequest);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.address, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
