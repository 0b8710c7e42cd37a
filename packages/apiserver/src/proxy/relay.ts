// Passes one request on to another server and its answer back: plain requests, and connections that are upgraded to another protocol.
//
// Owns:  the connection to the other server for as long as the request lasts.
// P1. An upgraded connection is relayed as bytes both ways: WebSocket, SPDY and SPDY in WebSocket look the same from here.
// P2. When either side ends, the other ends; nothing is kept.
// Source: k8s.io/apimachinery pkg/util/proxy/upgradeaware.go.
import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { newServiceUnavailable } from "@lenj/apimachinery";
import type { Exchange, UpgradeRequest } from "../rest/exchange.js";

export interface RelayTarget {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  /** With the query. */
  readonly path: string;
  readonly tls?:
    | {
        readonly cert?: string | undefined;
        readonly key?: string | undefined;
        readonly ca?: string | undefined;
        readonly isVerified: boolean;
      }
    | undefined;
  readonly connectTimeoutMs: number;
}

/** Headers about this hop or about who the client is; they do not travel. */
const hopHeaders = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "authorization",
  "host",
]);

export function forwardedHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  remoteAddress: string,
): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || hopHeaders.has(name) || name.startsWith(":") || name.startsWith("impersonate-")) continue;
    kept[name] = value;
  }
  const before = kept["x-forwarded-for"];
  if (remoteAddress !== "") kept["x-forwarded-for"] = before === undefined ? remoteAddress : `${String(before)}, ${remoteAddress}`;
  return kept;
}

/** A request whose answer is passed on as it comes, each piece at once. */
export async function relayRequest(
  exchange: Exchange,
  target: RelayTarget,
  options: { signal: AbortSignal; refusal?: (code: number, body: string) => Error },
): Promise<void> {
  const { signal, refusal } = options;
  const request = open(target, { method: exchange.method, headers: forwardedHeaders(exchange.headers(), exchange.remoteAddress), signal });
  exchange.bodyStream().pipe(request);
  const response = await answered(request, target);
  if (refusal !== undefined && (response.statusCode ?? 500) >= 400) throw refusal(response.statusCode ?? 500, await readText(response));
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value === undefined || hopHeaders.has(name)) continue;
    headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  const stream = exchange.startStream(response.statusCode ?? 502, headers);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) await stream.write(chunk);
    stream.end();
  } catch (error) {
    request.destroy();
    if (!signal.aborted) stream.destroy();
    throw error;
  }
}

/** Relays an upgrade. Resolves when both sides ended. Rejects with StatusError while the client can still be told. */
export async function relayUpgrade(client: UpgradeRequest, target: RelayTarget, headers: Record<string, string | string[]>): Promise<void> {
  const abort = new AbortController();
  client.socket.once("close", () => abort.abort(new Error("Client closed the connection")));
  const request = open(target, {
    method: client.request.method ?? "GET",
    headers: { ...headers, connection: "Upgrade", upgrade: client.request.headers.upgrade ?? "" },
    signal: abort.signal,
  });
  const switched = new Promise<{ response: IncomingMessage; socket: Duplex; head: Buffer } | undefined>((resolve) => {
    request.once("upgrade", (response: IncomingMessage, socket: Duplex, head: Buffer) => resolve({ response, socket, head }));
    request.once("response", () => resolve(undefined));
    request.once("error", () => resolve(undefined));
  });
  const refused = answered(request, target);
  refused.catch(() => {
    // Looked at below, unless the other side switched.
  });
  request.end();
  const upgraded = await switched;
  if (upgraded === undefined) return relayRefusal(client.socket, await refused);
  client.socket.write(responseHead(upgraded.response));
  await joined(client, upgraded);
}

/** Error texts are short; more is cut off. */
const refusalBytesMax = 64 * 1024;

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > refusalBytesMax) break;
  }
  return Buffer.concat(chunks).toString("utf8").slice(0, refusalBytesMax);
}

/** The other side answered without switching: its answer is the client's. */
async function relayRefusal(socket: Duplex, response: IncomingMessage): Promise<void> {
  delete response.headers["transfer-encoding"];
  response.headers.connection = "close";
  socket.write(responseHead(response));
  for await (const chunk of response as AsyncIterable<Buffer>) socket.write(chunk);
  socket.end();
}

function responseHead(response: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${response.statusCode ?? 502} ${response.statusMessage ?? ""}`];
  for (const [name, value] of Object.entries(response.headers))
    for (const one of Array.isArray(value) ? value : [value ?? ""]) lines.push(`${name}: ${one}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function joined(client: UpgradeRequest, other: { socket: Duplex; head: Buffer }): Promise<void> {
  return new Promise((resolve) => {
    for (const socket of [client.socket, other.socket]) {
      (socket as Duplex & { setTimeout?: (ms: number) => void; setNoDelay?: (on: boolean) => void }).setTimeout?.(0);
      (socket as Duplex & { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true);
    }
    if (other.head.length > 0) client.socket.write(other.head);
    if (client.head.length > 0) other.socket.write(client.head);
    client.socket.pipe(other.socket);
    other.socket.pipe(client.socket);
    let open = 2;
    const onClose = (): void => {
      client.socket.destroy();
      other.socket.destroy();
      open -= 1;
      if (open === 0) resolve();
    };
    for (const socket of [client.socket, other.socket]) {
      socket.on("error", () => {
        // Its `close` follows and ends both.
      });
      socket.once("close", onClose);
    }
  });
}

function open(
  target: RelayTarget,
  options: { method: string; headers: Record<string, string | string[]>; signal: AbortSignal },
): ClientRequest {
  const { tls } = target;
  const common: RequestOptions = {
    host: target.host,
    port: target.port,
    path: target.path,
    method: options.method,
    headers: options.headers,
    signal: options.signal,
    agent: false,
  };
  const request =
    target.scheme === "http"
      ? httpRequest(common)
      : httpsRequest({
          ...common,
          rejectUnauthorized: tls?.isVerified === true,
          ...(tls?.ca !== undefined && { ca: tls.ca }),
          ...(tls?.cert !== undefined && tls.key !== undefined && { cert: tls.cert, key: tls.key }),
        });
  request.on("error", () => {
    // Reported to whoever awaits the answer.
  });
  const onConnect = (): void => clearTimeout(timer);
  const timer = setTimeout(() => request.destroy(new Error("i/o timeout")), target.connectTimeoutMs);
  request.once("socket", (socket) => socket.once(target.scheme === "http" ? "connect" : "secureConnect", onConnect));
  request.once("close", onConnect);
  return request;
}

function answered(request: ClientRequest, target: RelayTarget): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", (error: Error) =>
      reject(newServiceUnavailable(`error trying to reach service: dial tcp ${target.host}:${target.port}: ${error.message}`)),
    );
  });
}
