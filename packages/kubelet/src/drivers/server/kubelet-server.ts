// The kubelet's HTTPS server: logs, exec, attach and port-forward for the api-server, and what the node's pods are.
//
// Owns:  the listener, its connections, and streams under way.
// KS1. Everything but /healthz needs a client certificate of the cluster's authority.
// Source: pkg/kubelet/server/server.go.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Clock, Logger } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import type { Registry } from "prom-client";
import type { LogOptions } from "../../core/logs/log-line.js";
import type { ContainerRecord, PodRuntimeState } from "../../core/runtime-state.js";
import type { CRIClient } from "../cri/cri-client.js";
import { streamLog } from "../logs/log-stream.js";
import { bridge, spdyClientEnd, type SPDYStreams, webSocketEnd } from "./streaming/channel-end.js";
import { serveSPDYPortForward, serveWebSocketPortForward } from "./streaming/port-forward.js";
import { connectRuntime, type Wanted } from "./streaming/runtime-streams.js";
import { SPDYSession, type SPDYStream } from "./spdy/session.js";
import { acceptWebSocket, byteStreamOf } from "./web-socket-upgrade.js";

export interface KubeletServerOptions {
  readonly address: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCA: string | undefined };
  readonly cri: CRIClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
  readonly pods: () => readonly corev1.Pod[];
  readonly runtimeState: (uid: string) => PodRuntimeState | undefined;
}

/** Asks for streams that never came are given up after this. Upstream: streamCreationTimeout. */
const streamWaitMs = 30_000;
const execProtocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
const spdyTunnel = "SPDY/3.1+portforward.k8s.io";

class HTTPError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export class KubeletServer {
  readonly #server: Server;

  private constructor(readonly options: KubeletServerOptions) {
    const { cert, key, clientCA } = options.tls;
    this.#server = createServer({ cert, key, ...(clientCA === undefined ? {} : { ca: clientCA, requestCert: true, rejectUnauthorized: false }) });
    this.#server.on("request", (request, response) => {
      this.#serve(request, response).catch((error: unknown) => answerError(response, error));
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#upgrade(request, socket, head).catch((error: unknown) => {
        const code = error instanceof HTTPError ? error.code : 500;
        const text = error instanceof Error ? error.message : String(error);
        socket.end(`HTTP/1.1 ${code} Error\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`);
      });
    });
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
    this.#server.timeout = 0;
  }

  /** Rejects with the listen error. */
  static async start(options: KubeletServerOptions): Promise<KubeletServer> {
    const server = new KubeletServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", reject);
      server.#server.listen(options.port, options.address, resolve);
    });
    return server;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "https://kubelet");
    const [, verb, ...rest] = url.pathname.split("/");
    if (verb === "healthz") {
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).end("ok");
      return;
    }
    this.#authenticate(request);
    const { metrics, pods } = this.options;
    if (verb === "containerLogs") await this.#logs(rest, url.searchParams, request, response);
    else if (verb === "pods") response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ kind: "PodList", apiVersion: "v1", metadata: {}, items: pods() }));
    else if (verb === "metrics" && rest.length === 0) response.writeHead(200, { "content-type": metrics.contentType }).end(await metrics.metrics());
    else throw new HTTPError(404, "404 page not found");
  }

  #authenticate(request: IncomingMessage): void {
    if (!(request.socket as TLSSocket).authorized) throw new HTTPError(401, "Unauthorized");
  }

  async #logs([namespace, podName, containerName]: readonly string[], query: URLSearchParams, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pod = this.#pod(namespace, podName);
    const name = containerName ?? "";
    if (!containersOf(pod).some((container) => container.name === name)) throw new HTTPError(404, `container ${JSON.stringify(name)} not found in pod ${JSON.stringify(podName)}`);
    const record = this.#logRecord(pod, name, query.get("previous") === "true");
    const options = parseLogOptions(query, this.options.clock.wallMs());
    const abort = new AbortController();
    response.once("close", () => abort.abort(new Error("The client left")));
    request.resume();
    const uid = pod.metadata?.uid ?? "";
    const lines = streamLog({
      path: record.logPath,
      options,
      clock: this.options.clock,
      signal: abort.signal,
      isRunning: () => this.options.runtimeState(uid)?.containers.find((candidate) => candidate.id === record.id)?.state === "running",
    });
    const first = await lines.next().catch((error: unknown) => {
      throw new HTTPError(404, `failed to open log file ${JSON.stringify(record.logPath)}: ${(error as Error).message}`);
    });
    response.writeHead(200, { "content-type": "text/plain" });
    response.flushHeaders();
    for (let step = first; step.done !== true; step = await lines.next()) {
      if (!response.write(step.value)) await new Promise<void>((resolve) => response.once("drain", resolve).once("close", resolve));
      if (abort.signal.aborted) break;
    }
    await lines.return();
    response.end();
  }

  #logRecord(pod: corev1.Pod, name: string, wantsPrevious: boolean): ContainerRecord {
    const podName = pod.metadata?.name ?? "";
    const attempts = (this.options.runtimeState(pod.metadata?.uid ?? "")?.containers ?? []).filter((record) => record.name === name).sort((a, b) => b.createdAtMs - a.createdAtMs);
    const started = attempts.filter((record) => record.state !== "created");
    if (wantsPrevious) {
      const previous = started.filter((record) => record.state === "exited")[started[0]?.state === "exited" ? 1 : 0] ?? (started[0]?.state === "exited" && attempts.length > 1 ? started[0] : undefined);
      if (previous === undefined) throw new HTTPError(400, `previous terminated container ${JSON.stringify(name)} in pod ${JSON.stringify(podName)} not found`);
      return previous;
    }
    const latest = started[0];
    if (latest !== undefined) return latest;
    const status = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find((candidate) => candidate.name === name);
    const waiting = status?.state?.waiting?.reason ?? "ContainerCreating";
    const verb = /ErrImagePull|ImagePullBackOff/.test(waiting) ? "trying and failing to pull image" : waiting;
    throw new HTTPError(400, `container ${JSON.stringify(name)} in pod ${JSON.stringify(podName)} is waiting to start: ${verb}`);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#authenticate(request);
    socket.on("error", () => socket.destroy());
    const url = new URL(request.url ?? "/", "https://kubelet");
    const [, verb, namespace, podName, ...rest] = url.pathname.split("/");
    const pod = this.#pod(namespace, podName);
    if (verb === "exec" || verb === "attach") await this.#command(verb, pod, rest.at(-1) ?? "", { url, request, socket, head });
    else if (verb === "portForward") await this.#portForward(pod, { url, request, socket, head });
    else throw new HTTPError(404, "404 page not found");
  }

  async #command(verb: "exec" | "attach", pod: corev1.Pod, containerName: string, { url, request, socket, head }: Upgrade): Promise<void> {
    const isOn = (...names: string[]): boolean => names.some((name) => ["1", "true"].includes(url.searchParams.get(name) ?? ""));
    const wanted: Wanted = { stdin: isOn("stdin", "input"), stdout: isOn("stdout", "output"), stderr: isOn("stderr", "error"), tty: isOn("tty") };
    const record = (this.options.runtimeState(pod.metadata?.uid ?? "")?.containers ?? []).find((candidate) => candidate.name === containerName && candidate.state === "running");
    if (record === undefined) throw new HTTPError(404, `container not found (${JSON.stringify(containerName)})`);
    const { cri } = this.options;
    const flags = { containerId: record.id, stdin: wanted.stdin, stdout: wanted.stdout, stderr: wanted.stderr && !wanted.tty, tty: wanted.tty };
    const command = [...url.searchParams.getAll("command")];
    const makeURL = (): Promise<string> => (verb === "exec" ? cri.exec({ ...flags, cmd: command }) : cri.attach(flags));
    const runtime = await connectRuntime(makeURL, wanted);
    try {
      if (request.headers.upgrade?.toLowerCase() === "spdy/3.1") {
        await bridge(spdyClientEnd(await this.#spdyStreams(request, socket, head, wanted)), runtime);
        return;
      }
      const accepted = await acceptWebSocket(request, socket, head, execProtocols);
      if (accepted === undefined) throw new HTTPError(403, "unable to upgrade: no subprotocol in common");
      await bridge(webSocketEnd(accepted.socket, accepted.protocol === "v5.channel.k8s.io"), runtime);
    } finally {
      runtime.close();
    }
  }

  /** The streams that a SPDY client opens: one for each thing it asked for, and one for the status. */
  #spdyStreams(request: IncomingMessage, socket: Duplex, head: Buffer, wanted: Wanted): Promise<SPDYStreams> {
    const offered = (request.headers["x-stream-protocol-version"] ?? "v4.channel.k8s.io").toString().split(",").map((name) => name.trim());
    const protocol = offered.includes("v4.channel.k8s.io") ? "v4.channel.k8s.io" : (offered[0] ?? "v4.channel.k8s.io");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`);
    const needed = ["error", ...(wanted.stdin ? ["stdin"] : []), ...(wanted.stdout ? ["stdout"] : []), ...(wanted.stderr && !wanted.tty ? ["stderr"] : []), ...(wanted.tty ? ["resize"] : [])];
    return new Promise((resolve, reject) => {
      const streams: Record<string, SPDYStream> = {};
      const timer = this.options.clock.after(streamWaitMs, () => {
        session.close();
        reject(new HTTPError(408, "timed out waiting for client to create streams"));
      });
      const session: SPDYSession = new SPDYSession(socket, {
        role: "server",
        head,
        onStream: (stream) => {
          stream.on("error", () => undefined);
          streams[stream.headers["streamtype"] ?? ""] = stream;
          if (!needed.every((kind) => streams[kind] !== undefined)) return;
          timer.cancel();
          resolve({ ...streams, session } as unknown as SPDYStreams);
        },
      });
    });
  }

  async #portForward(pod: corev1.Pod, { url, request, socket, head }: Upgrade): Promise<void> {
    const sandbox = this.options.runtimeState(pod.metadata?.uid ?? "")?.sandboxes.find((candidate) => candidate.ready);
    if (sandbox === undefined) throw new HTTPError(404, `pod ${JSON.stringify(pod.metadata?.name)} has no running sandbox`);
    const openPort = (port: number): Promise<string> => this.options.cri.portForward(sandbox.id, [port]);
    if (request.headers.upgrade?.toLowerCase() === "spdy/3.1") {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n");
      await serveSPDYPortForward(socket, head, openPort);
      return;
    }
    const accepted = await acceptWebSocket(request, socket, head, [spdyTunnel, "v4.channel.k8s.io"]);
    if (accepted === undefined) throw new HTTPError(403, "unable to upgrade: no subprotocol in common");
    if (accepted.protocol === spdyTunnel) await serveSPDYPortForward(byteStreamOf(accepted.socket), Buffer.alloc(0), openPort);
    else await serveWebSocketPortForward(accepted.socket, url.searchParams.getAll("port").map(Number), openPort);
  }

  #pod(namespace: string | undefined, name: string | undefined): corev1.Pod {
    const pod = this.options.pods().find((candidate) => candidate.metadata?.namespace === namespace && candidate.metadata?.name === name);
    if (pod === undefined) throw new HTTPError(404, `pod ${JSON.stringify(name)} does not exist`);
    return pod;
  }
}

interface Upgrade {
  readonly url: URL;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

function containersOf(pod: corev1.Pod): { readonly name?: string | undefined }[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? []), ...(pod.spec?.ephemeralContainers ?? [])];
}

function parseLogOptions(query: URLSearchParams, nowMs: number): LogOptions {
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    if (text === null || text === "") return undefined;
    if (!/^\d+$/.test(text)) throw new HTTPError(400, `{"message": "Unable to decode query: ${name} must be a number"}`);
    return Number(text);
  };
  const sinceSeconds = number("sinceSeconds");
  const sinceTime = query.get("sinceTime");
  return {
    follow: query.get("follow") === "true",
    timestamps: query.get("timestamps") === "true",
    tailLines: number("tailLines"),
    limitBytes: number("limitBytes"),
    sinceMs: sinceSeconds === undefined ? (sinceTime === null ? undefined : Date.parse(sinceTime)) : nowMs - sinceSeconds * 1_000,
    stream: "All",
  };
}

function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const code = error instanceof HTTPError ? error.code : 500;
  response.writeHead(code, { "content-type": "text/plain; charset=utf-8" }).end(error instanceof Error ? error.message : String(error));
}
