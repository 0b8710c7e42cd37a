// Metrics, health and version at addresses of their own, over plain HTTP.
import { createServer, type RequestListener } from "node:http";

/** Listens; returns the function that stops. */
export async function serveMetrics(url: string, onRequest: RequestListener): Promise<() => Promise<void>> {
  const { hostname, port } = new URL(url);
  const server = createServer(onRequest);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), hostname, resolve);
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}
