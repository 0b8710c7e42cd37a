// Debian's etcd as a real process for tests: one member, in a folder of the caller's.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.js";

export class EtcdProcess {
  private constructor(
    readonly clientURL: string,
    readonly dataDir: string,
    private readonly child: ChildProcess,
    private readonly exited: Promise<unknown>,
  ) {}

  /** Starts it on `folder`/data, which may hold restored data of a member "etcd" with the peer URL of {@link peerURL}. */
  static async start(folder: string): Promise<EtcdProcess> {
    const clientURL = `http://127.0.0.1:${await freePort()}`;
    const dataDir = join(folder, "data");
    const log = openSync(join(folder, "etcd.log"), "a");
    const flags = [
      ...["--name", "etcd", "--data-dir", dataDir, "--listen-client-urls", clientURL, "--advertise-client-urls", clientURL],
      // One member never dials itself, so its peer address may be any free one.
      ...["--listen-peer-urls", `http://127.0.0.1:${await freePort()}`, "--initial-advertise-peer-urls", EtcdProcess.peerURL],
      ...["--initial-cluster", `etcd=${EtcdProcess.peerURL}`],
    ];
    const child = spawn("etcd", flags, { stdio: ["ignore", log, log] });
    return new EtcdProcess(clientURL, dataDir, child, once(child, "exit"));
  }

  static readonly peerURL = "http://127.0.0.1:2380";

  async close(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}
