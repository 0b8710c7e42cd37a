// The `lenj` command's side of the supervisor's socket.

import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { createInterface } from "node:readline";
import type { LabStatus, ProgressEvent } from "../core/control.js";
import { type Lab, readWorldPid } from "./lab-state.js";

/** The supervisor did not answer: the lab is down, or crashed. */
export class LabDownError extends Error {
  override readonly name = "LabDownError";
}

export class ControlClient {
  constructor(readonly lab: Lab) {}

  async isUp(): Promise<boolean> {
    if (readWorldPid(this.lab) === undefined) return false;
    try {
      await this.#call("GET", "/status");
      return true;
    } catch (error) {
      if (error instanceof LabDownError) return false;
      throw error;
    }
  }

  /** The status with pids as this process sees them. */
  async status(): Promise<LabStatus> {
    const status = (await this.#call("GET", "/status")) as LabStatus;
    const translate = pidTranslation(this.lab);
    return {
      ...status,
      processes: status.processes.map((process) => ({
        ...process,
        pid: process.pid === null ? null : (translate.get(process.pid) ?? null),
      })),
    };
  }

  async post(path: string, parameters: Readonly<Record<string, string | undefined>> = {}): Promise<void> {
    const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
    await this.#call("POST", `${path}?${new URLSearchParams(given).toString()}`);
  }

  async *progress(): AsyncIterable<ProgressEvent> {
    const response = await this.#open("GET", "/progress");
    for await (const line of createInterface({ input: response })) yield JSON.parse(line) as ProgressEvent;
  }

  async #call(method: string, path: string): Promise<unknown> {
    const response = await this.#open(method, path);
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk as string;
    const body = text === "" ? {} : (JSON.parse(text) as { error?: string });
    if (response.statusCode !== 200)
      throw new Error((body as { error?: string }).error ?? `The supervisor answered ${response.statusCode}`);
    return body;
  }

  #open(method: string, path: string): Promise<import("node:http").IncomingMessage> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: `${this.lab.paths.sockets}/control.sock`, method, path }, resolve);
      call.once("error", (cause) =>
        reject(new LabDownError(`The lab in ${this.lab.paths.state} is not running: start it with \`lenj up\``, { cause })),
      );
      call.end();
    });
  }
}

/** From pids in the lab's pid namespace to pids in this one: the kernel lists both for every process of the lab. */
function pidTranslation(lab: Lab): ReadonlyMap<number, number> {
  const translation = new Map<number, number>();
  const world = readWorldPid(lab);
  if (world === undefined) return translation;
  const parents = new Map<number, { parent: number; inside: number | undefined }>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const status = readFileSync(`/proc/${entry}/status`, "utf8");
      const inside = /^NSpid:\s+\d+\s+(\d+)/m.exec(status)?.[1];
      parents.set(Number(entry), {
        parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0),
        inside: inside === undefined ? undefined : Number(inside),
      });
    } catch {
      // It ended between the listing and the look.
    }
  }
  for (const [pid, { inside }] of parents) {
    if (inside !== undefined && descendsFrom(pid, world, parents)) translation.set(inside, pid);
  }
  return translation;
}

function descendsFrom(pid: number, ancestor: number, parents: ReadonlyMap<number, { parent: number }>): boolean {
  for (let current: number | undefined = pid; current !== undefined && current > 0; current = parents.get(current)?.parent)
    if (current === ancestor) return true;
  return false;
}
