// Connecting to the runtime's streaming server. WebSocket v5 where the runtime speaks it, else SPDY/3.1: the older
// WebSocket protocol cannot close stdin alone, which `exec -i` with a pipe needs.
import { request } from "node:http";
import { request as requestTLS } from "node:https";
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { SPDYSession } from "../spdy/session.js";
import { type ChannelEnd, spdyRuntimeEnd, webSocketEnd } from "./channel-end.js";

export interface Wanted {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

let speaksV5: boolean | undefined;

/** `makeURL` is asked once an attempt: the runtime's URLs are good for one use. */
export async function connectRuntime(makeURL: () => Promise<string>, wanted: Wanted): Promise<ChannelEnd> {
  if (speaksV5 !== false) {
    const socket = await openWebSocket(await makeURL(), "v5.channel.k8s.io").catch(() => undefined);
    speaksV5 = socket !== undefined;
    if (socket !== undefined) return webSocketEnd(socket, true);
  }
  const { connection, head } = await upgradeToSPDY(await makeURL(), "v4.channel.k8s.io");
  const session = new SPDYSession(connection, { role: "client", head });
  const open = (kind: string): ReturnType<SPDYSession["open"]> => session.open({ streamtype: kind });
  // The server waits for exactly the streams the request asked for.
  const error = await open("error");
  const stdin = wanted.stdin ? await open("stdin") : undefined;
  const stdout = wanted.stdout ? await open("stdout") : undefined;
  const stderr = wanted.stderr && !wanted.tty ? await open("stderr") : undefined;
  const resize = wanted.tty ? await open("resize") : undefined;
  for (const stream of [error, stdin, stdout, stderr, resize]) stream?.on("error", () => undefined);
  return spdyRuntimeEnd({ session, error, stdin, stdout, stderr, resize });
}

/** Rejects when the server refuses the protocol. */
export function openWebSocket(url: string, protocol: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace(/^http/, "ws"), [protocol], { perMessageDeflate: false, rejectUnauthorized: false });
    // Frames may follow the handshake at once; they wait until someone listens.
    socket.once("open", () => {
      socket.pause();
      resolve(socket);
      setImmediate(() => socket.resume());
    });
    socket.once("error", reject);
  });
}

function upgradeToSPDY(url: string, protocol: string): Promise<{ connection: Duplex; head: Buffer }> {
  return new Promise((resolve, reject) => {
    const make = url.startsWith("https:") ? requestTLS : request;
    const upgrade = make(url, {
      method: "POST",
      agent: false,
      rejectUnauthorized: false,
      headers: { connection: "Upgrade", upgrade: "SPDY/3.1", "x-stream-protocol-version": protocol },
    } as never);
    upgrade.once("upgrade", (_, connection, head) => resolve({ connection, head }));
    upgrade.once("response", (response) => {
      response.resume();
      reject(new Error(`The runtime's streaming server answered ${response.statusCode}`));
    });
    upgrade.once("error", reject);
    upgrade.end();
  });
}
