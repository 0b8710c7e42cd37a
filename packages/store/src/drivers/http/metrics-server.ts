// Metrics, health and version at addresses of their own, with clients' TLS where the address says https.
// Source: etcd server/embed/etcd.go (serveMetrics).
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer, type ServerOptions } from "node:https";
import { watchTLSFiles } from "@lenj/component-base";
import { idlePageTimeoutMs } from "@lenj/rpc-server";
import type { TLSFiles } from "../../config.js";
import { materialOf, renewalLookMs, versionsOf } from "../face.js";

/** Listens; returns the function that stops. */
export async function serveMetrics(url: string, tls: TLSFiles, onRequest: RequestListener): Promise<() => Promise<void>> {
  const { protocol, hostname, port } = new URL(url);
  const { server, stopLooking } = protocol === "https:" ? secureServer(tls, onRequest) : plainServer(onRequest);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), hostname.replace(/^\[|\]$/g, ""), resolve);
  });
  return () =>
    new Promise((resolve) => {
      stopLooking();
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

interface MetricsServer {
  readonly server: Pick<Server, "once" | "listen" | "close" | "closeAllConnections">;
  readonly stopLooking: () => void;
}

const plainServer = (onRequest: RequestListener): MetricsServer => ({
  server: createServer({ keepAliveTimeout: idlePageTimeoutMs }, onRequest),
  stopLooking: () => {},
});

function secureServer(tls: TLSFiles, onRequest: RequestListener): MetricsServer {
  const secrets = (): ServerOptions => {
    const { cert, key, ca } = materialOf(tls);
    return { cert, key, ...(ca === undefined ? {} : { ca }), ...versionsOf(tls) };
  };
  const mutual = { requestCert: tls.requireClientCert, rejectUnauthorized: tls.requireClientCert };
  const server = createSecureServer({ ...secrets(), ...mutual, keepAliveTimeout: idlePageTimeoutMs }, onRequest);
  return { server, stopLooking: watchTLSFiles(tls, () => server.setSecureContext(secrets()), renewalLookMs) };
}
