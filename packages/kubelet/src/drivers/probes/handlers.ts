// The four ways to ask a container how it is. Outcomes are worded as upstream words them: they become Events.

import { request as requestHTTP } from "node:http";
import { request as requestHTTPS } from "node:https";
import { connect } from "node:net";
import type { corev1, IntOrString } from "@lenj/proto/k8s";
import { type CRIClient, criDeadlineExceeded, criErrorCode, describeCRIError } from "../cri/cri-client.js";

export type ProbeOutcome =
  | { readonly result: "success" | "failure"; readonly output: string }
  | { readonly result: "error"; readonly output: string };

export interface ProbeTarget {
  readonly containerID: string;
  readonly container: corev1.Container;
  readonly podIP: string;
}

const maxBodyBytes = 10 * 1024;

/** The number of a port given as such or by the name the container gave it. */
export function resolvePort(port: IntOrString, container: corev1.Container): number {
  if (typeof port === "number") return port;
  const named = (container.ports ?? []).find((candidate) => candidate.name === port);
  if (named !== undefined) return named.containerPort;
  const number = Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65535)
    throw new Error(`couldn't find port: ${JSON.stringify(port)} in container ports`);
  return number;
}

export async function runProbe(
  cri: CRIClient,
  handler: corev1.ProbeHandler,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeOutcome> {
  try {
    if (handler.exec !== undefined) return await probeExec(cri, target.containerID, handler.exec.command ?? [], timeoutMs);
    if (handler.httpGet !== undefined) return await probeHTTP(handler.httpGet, target, timeoutMs);
    if (handler.tcpSocket !== undefined)
      return await probeTCP(handler.tcpSocket.host ?? "", resolvePort(handler.tcpSocket.port, target.container), target, timeoutMs);
    if (handler.grpc !== undefined) {
      const { probeGRPC } = await import("./grpc-handler.js");
      return await probeGRPC(formatHost(target.podIP), handler.grpc.port, handler.grpc.service ?? "", timeoutMs);
    }
    return { result: "error", output: `missing probe handler for ${target.container.name}` };
  } catch (error) {
    return { result: "error", output: (error as Error).message };
  }
}

async function probeExec(cri: CRIClient, containerID: string, command: readonly string[], timeoutMs: number): Promise<ProbeOutcome> {
  try {
    const answer = await cri.execSync(containerID, command, timeoutMs / 1000);
    const output = Buffer.concat([answer.stdout, answer.stderr]).subarray(0, maxBodyBytes).toString("utf8");
    return { result: answer.exitCode === 0 ? "success" : "failure", output };
  } catch (error) {
    if (criErrorCode(error) === criDeadlineExceeded)
      return { result: "failure", output: `command timed out: ${JSON.stringify(command.join(" "))} timed out after ${timeoutMs / 1000}s` };
    return { result: "error", output: describeCRIError(error) };
  }
}

/** One GET as probes and hooks make it. Resolves with the status code and the start of the body; rejects in Go's words. */
export function getHTTP(
  action: corev1.HTTPGetAction,
  target: Omit<ProbeTarget, "containerID">,
  options: { timeoutMs: number; userAgent: string },
): Promise<{ code: number; body: string }> {
  const scheme = (action.scheme ?? "HTTP").toLowerCase();
  const host = action.host === undefined || action.host === "" ? target.podIP : action.host;
  const port = resolvePort(action.port, target.container);
  const path = action.path === undefined || action.path === "" ? "/" : action.path.startsWith("/") ? action.path : `/${action.path}`;
  const url = `${scheme}://${formatHost(host)}:${port}${path}`;
  const headers: Record<string, string> = { "user-agent": options.userAgent, accept: "*/*", connection: "close" };
  for (const header of action.httpHeaders ?? []) {
    if (header.value === "" && ["user-agent", "accept"].includes(header.name.toLowerCase())) delete headers[header.name.toLowerCase()];
    else headers[header.name.toLowerCase()] = header.value;
  }
  return new Promise((resolve, reject) => {
    const make = scheme === "https" ? requestHTTPS : requestHTTP;
    // Probes do not verify certificates: a pod's certificate is its own affair.
    const request = make(
      { host, port, path, headers, agent: false, ...(scheme === "https" ? { rejectUnauthorized: false } : {}), insecureHTTPParser: true },
      (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => {
          if (body.length < maxBodyBytes) body += chunk.toString("utf8");
        });
        response.once("end", () => finish(() => resolve({ code: response.statusCode ?? 0, body: body.slice(0, maxBodyBytes) })));
        response.once("error", (error) => finish(() => reject(error)));
      },
    );
    const timer = setTimeout(() => {
      finish(() =>
        reject(new Error(`Get ${JSON.stringify(url)}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)`)),
      );
      request.destroy();
    }, options.timeoutMs);
    const finish = (then: () => void): void => {
      clearTimeout(timer);
      then();
    };
    request.once("error", (error: NodeJS.ErrnoException) =>
      finish(() => reject(new Error(`Get ${JSON.stringify(url)}: ${describeConnectError(error, host, port)}`))),
    );
    request.end();
  });
}

async function probeHTTP(action: corev1.HTTPGetAction, target: ProbeTarget, timeoutMs: number): Promise<ProbeOutcome> {
  resolvePort(action.port, target.container);
  try {
    const { code, body } = await getHTTP(action, target, { timeoutMs, userAgent: "kube-probe/1.35" });
    if (code >= 200 && code < 400) return { result: "success", output: body };
    return { result: "failure", output: `HTTP probe failed with statuscode: ${code}` };
  } catch (error) {
    return { result: "failure", output: (error as Error).message };
  }
}

function probeTCP(given: string, port: number, target: ProbeTarget, timeoutMs: number): Promise<ProbeOutcome> {
  const host = given === "" ? target.podIP : given;
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (outcome: ProbeOutcome): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish({ result: "failure", output: `dial tcp ${formatHost(host)}:${port}: i/o timeout` }), timeoutMs);
    socket.once("connect", () => finish({ result: "success", output: "" }));
    socket.once("error", (error: NodeJS.ErrnoException) => finish({ result: "failure", output: describeConnectError(error, host, port) }));
  });
}

const goWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "i/o timeout",
};

function describeConnectError(error: NodeJS.ErrnoException, host: string, port: number): string {
  const words = goWords[error.code ?? ""];
  if (words !== undefined) return `dial tcp ${formatHost(host)}:${port}: ${words}`;
  if (error.code === "ECONNRESET") return "EOF";
  return error.message;
}

function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
