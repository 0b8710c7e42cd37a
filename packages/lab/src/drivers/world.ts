// Entering and leaving the lab's world: one set of namespaces that holds everything, with or without root.
//
// W1. Everything of a lab is in one pid namespace: ending its first process ends the lab, whatever state it was in.
// W2. Outside of it a lab leaves only its state folder, its socket folder, cgroups and the guard routes; `leaveWorld` removes
//     the last three, after a crash too.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { fileURLToPath } from "node:url";
import type { SupervisorStart } from "../core/control.js";
import { removeCgroups } from "./cgroups.js";
import { addGuardRoutes, removeGuardRoutes } from "./guard-routes.js";
import { type Lab, readWorldPid, worldMark, writeWorldPid } from "./lab-state.js";
import { tryRun } from "./run.js";

const superviseScript = fileURLToPath(new URL("../supervise.js", import.meta.url));

export const isRoot = (): boolean => process.getuid?.() === 0;

/** Namespaces of the world; an ordinary user gets them inside a user namespace of their own. */
export const worldNamespaces = (): string[] => [
  ...(isRoot() ? [] : ["--user", "--map-root-user"]),
  ...["--net", "--mount", "--ipc", "--uts", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation", "private"],
];

/** Listens on 127.0.0.1. Port 0 picks a free one. Rejects with EADDRINUSE in words. */
export async function listenLocally(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE")
      throw new Error(`listen tcp 127.0.0.1:${port}: bind: address already in use`);
    throw error;
  }
  return server;
}

/** Starts the supervisor in namespaces of its own and hands it the listeners. Resolves when it has taken over. */
export async function enterWorld(lab: Lab, listeners: readonly { readonly name: string; readonly server: Server }[]): Promise<void> {
  mkdirSync(lab.paths.logs, { recursive: true });
  if (isRoot()) await addGuardRoutes();
  const log = openSync(`${lab.paths.logs}/supervisor.log`, "a");
  // The shell is the first process of the world: it collects orphans while it waits for the supervisor, and ends with it.
  const child = spawn(
    "unshare",
    [
      ...worldNamespaces(),
      "sh",
      "-c",
      '"$@" & wait $!',
      worldMark(lab.config.id),
      process.execPath,
      "--enable-source-maps",
      "--max-semi-space-size=2",
      superviseScript,
    ],
    { detached: true, stdio: ["ignore", log, log, "ipc"] },
  );
  closeSync(log);
  if (child.pid === undefined) throw new Error("Cannot start the supervisor: unshare could not be run");
  writeWorldPid(lab, child.pid);
  const start: SupervisorStart = { type: "start", state: lab.paths.state, listeners: listeners.map(({ name }) => name) };
  const received = new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code) => reject(new Error(`The supervisor ended at once with code ${code}: see ${lab.paths.logs}/supervisor.log`)));
  });
  child.send(start);
  for (const { server } of listeners) child.send({ type: "listener" }, server);
  await received;
  for (const { server } of listeners) server.close();
  child.unref();
}

/** Ends what is left of the lab outside its state folder. Safe to call at any time, again and again. */
export async function leaveWorld(lab: Lab): Promise<void> {
  const pid = readWorldPid(lab);
  if (pid !== undefined) {
    process.kill(pid, "SIGKILL");
    while (readWorldPid(lab) !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (let attempt = 0; attempt < 250 && !removeCgroups(lab.config.id); attempt++) await new Promise((resolve) => setTimeout(resolve, 20));
  rmSync(lab.paths.sockets, { recursive: true, force: true });
  rmSync(`${lab.paths.state}/world.pid`, { force: true });
  if (isRoot()) await removeGuardRoutes();
}

/** Whether the kernel lets this user make a world; else its words. */
export async function probeWorld(): Promise<{ ok: true } | { ok: false; error: string }> {
  const result = await tryRun("unshare", [
    ...worldNamespaces(),
    "sh",
    "-c",
    "mount -t tmpfs tmpfs /run && ip link add lenj-probe type bridge",
  ]);
  return result.code === 0 ? { ok: true } : { ok: false, error: result.stderr };
}
