// The kubelet's HTTPS server: what the api-server, metrics collectors and people with a client certificate ask a node.
//
// Owns:  the listening socket and every connection; close() ends them.
// S1. Nothing but /healthz is answered to a client whose certificate --client-ca-file does not vouch for.
// S2. Who is known is then asked about (authorize), unless the mode is AlwaysAllow.
// Source: pkg/kubelet/server/server.go, auth.go.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Logger } from "@lenj/base";
import { answerHealth, type HealthChecks } from "@lenj/component-base";
import type { corev1 } from "@lenj/proto/k8s";
import type { Registry } from "prom-client";
import { podNamespace, podUID } from "../../core/pod/identity.js";
import { latestContainer, type PodRuntimeState } from "../../core/runtime-state.js";
import { type CRIClient, describeCRIError } from "../cri/cri-client.js";
import { refuseUpgrade, sendJSON, sendText } from "./answers.js";
import { answerLogs, type LogHandlerPorts } from "./log-handler.js";
import { type Upgrade, Upgrades } from "./upgrades.js";

export interface Caller {
  readonly user: string;
  readonly groups: readonly string[];
}

export interface KubeletServerPorts extends LogHandlerPorts {
  readonly cri: CRIClient;
  readonly logger: Logger;
  readonly health: HealthChecks;
  readonly metrics: Registry;
  readonly pods: () => corev1.Pod[];
  readonly runtimeOf: (uid: string) => PodRuntimeState | undefined;
  /** Undefined: allowed; else why not. */
  readonly authorize: (caller: Caller, attributes: { verb: string; subresource: string }) => Promise<string | undefined>;
  /** /stats/summary and /metrics/resource. */
  readonly summary: () => Promise<unknown>;
  readonly resourceMetrics: () => Promise<string>;
}

export interface KubeletServerOptions {
  readonly address: string;
  readonly port: number;
  /** PEM texts. Without `ca` nobody is known. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca?: string | undefined };
}

/** Rejects with the listen error. */
export async function startKubeletServer(options: KubeletServerOptions, ports: KubeletServerPorts): Promise<KubeletServer> {
  const server = new KubeletServer(options, ports);
  await server.listen(options);
  return server;
}

export class KubeletServer {
  readonly #server: Server;
  readonly #upgrades: Upgrades;
  readonly #sockets = new Set<Socket>();

  constructor(
    options: KubeletServerOptions,
    readonly ports: KubeletServerPorts,
  ) {
    const { cert, key, ca } = options.tls;
    this.#upgrades = new Upgrades(ports.logger);
    this.#server = createServer(
      { cert, key, ...(ca !== undefined && { ca }), requestCert: true, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] },
      (request, response) => {
        this.#answer(request, response).catch((error: unknown) => {
          ports.logger.warn("Answering a request failed", { path: request.url?.split("?")[0], error: (error as Error).message });
          if (response.headersSent) response.destroy();
          else sendText(response, 500, `${describeCRIError(error)}\n`);
        });
      },
    );
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on("error", () => socket.destroy());
      this.#switch({ request, socket, head }).catch((error: unknown) => {
        ports.logger.debug("A stream ended with an error", { error: (error as Error).message });
        socket.destroy();
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  listen({ port, address }: { port: number; address: string }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, address, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
  }

  replaceTLS(tls: KubeletServerOptions["tls"]): void {
    this.#server.setSecureContext({ cert: tls.cert, key: tls.key, ...(tls.ca !== undefined && { ca: tls.ca }) });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#upgrades.close();
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "https://kubelet");
    if (url.pathname === "/healthz") {
      await answerHealth(request, response, this.ports.health, this.ports.metrics);
      return;
    }
    const refusal = await this.#refusal(request, url.pathname);
    if (refusal !== undefined) return sendText(response, refusal.code, refusal.text);
    const [, first, namespace, name, container] = url.pathname.split("/").map(decodeURIComponent);
    if (first === "containerLogs" && container !== undefined) {
      const pod = this.#pod(namespace ?? "", name ?? "");
      if (pod === undefined) return sendText(response, 404, `pod ${JSON.stringify(name)} does not exist\n`);
      return answerLogs(this.ports, { pod, containerName: container, query: url.searchParams }, response);
    }
    if (first !== undefined && ["exec", "attach", "portForward"].includes(first) && name !== undefined)
      return sendText(response, 400, "unable to upgrade: missing upgrade headers in request\n");
    switch (url.pathname.replace(/(.)\/$/, "$1")) {
      case "/pods":
        return sendJSON(response, { kind: "PodList", apiVersion: "v1", metadata: {}, items: this.ports.pods() });
      case "/runningpods":
        return sendJSON(response, {
          kind: "PodList",
          apiVersion: "v1",
          metadata: {},
          items: this.ports
            .pods()
            .filter((pod) => (this.ports.runtimeOf(podUID(pod))?.containers ?? []).some(({ state }) => state === "running")),
        });
      case "/stats/summary":
        return sendJSON(response, await this.ports.summary());
      case "/metrics/resource":
        return sendText(response, 200, await this.ports.resourceMetrics());
      default:
        if (!(await answerHealth(request, response, this.ports.health, this.ports.metrics)))
          sendText(response, 404, "404 page not found\n");
    }
  }

  async #switch(upgrade: Upgrade): Promise<void> {
    const { request, socket } = upgrade;
    const url = new URL(request.url ?? "/", "https://kubelet");
    const refusal = await this.#refusal(request, url.pathname);
    if (refusal !== undefined) return refuseUpgrade(socket, refusal.code, refusal.text);
    const [, kind, namespace, name, ...rest] = url.pathname.split("/").map(decodeURIComponent);
    const { searchParams: query } = url;
    const isForward = kind === "portForward";
    if ((kind !== "exec" && kind !== "attach" && !isForward) || name === undefined)
      return refuseUpgrade(socket, 404, "404 page not found\n");
    const uid = isForward ? rest[0] : rest.length > 1 ? rest[0] : undefined;
    const pod = this.#pod(namespace ?? "", name, uid);
    if (pod === undefined) return refuseUpgrade(socket, 404, "pod does not exist\n");
    const runtime = this.ports.runtimeOf(podUID(pod));
    if (isForward) {
      const sandbox = runtime?.sandboxes.find(({ ready }) => ready);
      if (sandbox === undefined)
        return refuseUpgrade(socket, 500, `failed to find sandbox of pod ${JSON.stringify(`${name}_${namespace}`)}\n`);
      return this.#upgrades.servePortForward(upgrade, query.getAll("port").map(Number), (port) =>
        this.ports.cri.portForward(sandbox.id, [port]),
      );
    }
    const containerName = rest.at(-1) ?? "";
    const container = runtime === undefined ? undefined : latestContainer(runtime, containerName);
    if (container === undefined || (kind === "exec" && container.state !== "running"))
      return refuseUpgrade(socket, 500, `unable to upgrade connection: container not found (${JSON.stringify(containerName)})`);
    const isOn = (key: string): boolean => ["1", "true"].includes(query.get(key) ?? "");
    const tty = isOn("tty");
    const wanted = { stdin: isOn("input"), stdout: isOn("output"), stderr: isOn("error") && !tty, tty };
    if (!wanted.stdin && !wanted.stdout && !wanted.stderr)
      return refuseUpgrade(socket, 400, "you must specify at least 1 of stdin, stdout, stderr");
    const { cri } = this.ports;
    const makeURL =
      kind === "exec"
        ? () => cri.exec({ containerId: container.id, cmd: query.getAll("command"), ...wanted })
        : () => cri.attach({ containerId: container.id, ...wanted });
    return this.#upgrades.serveCommand(upgrade, wanted, makeURL);
  }

  // S1, S2.
  async #refusal(request: IncomingMessage, path: string): Promise<{ code: number; text: string } | undefined> {
    const caller = callerOf(request.socket as TLSSocket);
    if (caller === undefined) return { code: 401, text: "Unauthorized" };
    const verbs: Readonly<Record<string, string>> = {
      POST: "create",
      GET: "get",
      PUT: "update",
      PATCH: "patch",
      DELETE: "delete",
      HEAD: "get",
    };
    const attributes = { verb: verbs[request.method ?? "GET"] ?? "", subresource: subresourceOf(path) };
    const reason = await this.ports.authorize(caller, attributes);
    if (reason === undefined) return undefined;
    return {
      code: 403,
      text: `Forbidden (user=${caller.user}, verb=${attributes.verb}, resource=nodes, subresource(s)=[${attributes.subresource}])`,
    };
  }

  #pod(namespace: string, name: string, uid?: string): corev1.Pod | undefined {
    return this.ports
      .pods()
      .find((pod) => podNamespace(pod) === namespace && pod.metadata?.name === name && (uid === undefined || podUID(pod) === uid));
  }
}

function callerOf(socket: TLSSocket): Caller | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string | string[]; O?: string | string[] } };
  const user = [subject?.CN ?? []].flat()[0];
  return user === undefined ? undefined : { user, groups: [...[subject?.O ?? []].flat(), "system:authenticated"] };
}

function subresourceOf(path: string): string {
  if (path.startsWith("/stats")) return "stats";
  if (path.startsWith("/metrics")) return "metrics";
  return "proxy";
}
