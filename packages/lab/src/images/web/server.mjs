// The little web server of Lenj's own image: says which pod, node and version answered.
//
//   GET /            pod, node and version as text        GET /json      the same and more as JSON
//   GET /healthz     200 "ok", or 503 while unhealthy      GET /env/NAME  an environment variable
//   GET /file/PATH   a file                                POST /unhealthy, /healthy, /exit/CODE
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { hostname } from "node:os";

const port = Number(process.env.PORT ?? 8080);
const version = process.env.VERSION ?? "1";
const pod = process.env.POD_NAME ?? hostname();
const node = process.env.NODE_NAME ?? "unknown";
let healthy = true;

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://pod");
  const send = (code, body, type = "text/plain") => response.writeHead(code, { "content-type": type }).end(body);
  if (pathname === "/healthz") return healthy ? send(200, "ok\n") : send(503, "unhealthy\n");
  if (pathname === "/json")
    return send(
      200,
      JSON.stringify({ pod, node, version, from: request.socket.remoteAddress, headers: request.headers }),
      "application/json",
    );
  if (pathname.startsWith("/env/")) return send(200, `${process.env[pathname.slice(5)] ?? ""}\n`);
  if (pathname.startsWith("/file/")) {
    return readFile(pathname.slice(5)).then(
      (bytes) => send(200, bytes),
      (error) => send(404, `${error.message}\n`),
    );
  }
  if (request.method === "POST" && (pathname === "/unhealthy" || pathname === "/healthy")) {
    healthy = pathname === "/healthy";
    return send(200, "ok\n");
  }
  if (request.method === "POST" && pathname.startsWith("/exit/")) {
    send(200, "bye\n");
    return server.close(() => process.exit(Number(pathname.slice(6))));
  }
  console.log(`${request.method} ${pathname} from ${request.socket.remoteAddress}`);
  return send(200, `Hello from ${pod} on ${node}, version ${version}\n`);
});
server.keepAliveTimeout = 60_000;
server.listen(port, () => console.log(`Listening on ${port}, version ${version}`));

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    console.log(`Stopping on ${signal}`);
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
