// The supervisor's ear: JSON over HTTP on a unix socket that only the lab's owner can open.
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { dirname } from "node:path";
import type { LabStatus, ProgressEvent } from "../core/control.js";
import { type Supervisor, UnknownNameError } from "./supervisor.js";

export interface ControlHandlers {
  readonly supervisor: Supervisor;
  readonly status: () => Promise<LabStatus>;
  /** Past and future steps of the start; ends with "ready" or "failed". */
  readonly progress: () => AsyncIterable<ProgressEvent>;
  readonly stop: () => void;
}

const signals: readonly string[] = ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGABRT"];

/** Listens on `socketPath`. Returns the function that stops. */
export async function serveControl(socketPath: string, handlers: ControlHandlers): Promise<() => Promise<void>> {
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 });
  rmSync(socketPath, { force: true });
  const server = createServer((request, response) => {
    handle(request, response, handlers).catch((error: unknown) => {
      const code = error instanceof UnknownNameError ? 404 : 409;
      if (response.headersSent) response.destroy();
      else
        response
          .writeHead(code, { "content-type": "application/json" })
          .end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  chmodSync(socketPath, 0o600);
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

async function handle(request: IncomingMessage, response: ServerResponse, handlers: ControlHandlers): Promise<void> {
  const url = new URL(request.url ?? "/", "http://lab");
  const parameter = (name: string): string | undefined => url.searchParams.get(name) ?? undefined;
  const { supervisor } = handlers;
  switch (`${request.method} ${url.pathname}`) {
    case "GET /status":
      answer(response, await handlers.status());
      return;
    case "GET /progress":
      response.writeHead(200, { "content-type": "application/json" });
      for await (const event of handlers.progress()) response.write(`${JSON.stringify(event)}\n`);
      response.end();
      return;
    case "POST /stop":
      answer(response, {});
      handlers.stop();
      return;
    case "POST /partition":
      await supervisor.partition(required(parameter("a"), "a"), parameter("b"));
      break;
    case "POST /heal":
      await supervisor.heal(parameter("a"), parameter("b"));
      break;
    case "POST /power": {
      const node = required(parameter("node"), "node");
      await (parameter("to") === "off" ? supervisor.powerOff(node) : supervisor.powerOn(node));
      break;
    }
    case "POST /process":
      await onProcess(
        supervisor,
        required(parameter("name"), "name"),
        parameter("verb") ?? "",
        parameter("hold") === "true",
        parameter("signal") ?? "SIGKILL",
      );
      break;
    default:
      response.writeHead(404).end();
      return;
  }
  answer(response, {});
}

async function onProcess(supervisor: Supervisor, name: string, verb: string, hold: boolean, signal: string): Promise<void> {
  const process = supervisor.process(name);
  switch (verb) {
    case "kill":
      if (!signals.includes(signal)) throw new Error(`Unknown signal ${JSON.stringify(signal)}: must be one of ${signals.join(", ")}`);
      process.kill(signal as NodeJS.Signals, hold);
      return;
    case "pause":
      process.pause(hold);
      return;
    case "resume":
      process.resume();
      return;
    case "start":
      process.start();
      return;
    case "restart":
      await supervisor.restart(name);
      return;
    default:
      throw new Error(`Unknown verb ${JSON.stringify(verb)}`);
  }
}

function required(value: string | undefined, name: string): string {
  if (value === undefined || value === "") throw new Error(`Parameter ${name} is missing`);
  return value;
}

function answer(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}
