// The members of one run, and all that stands around them: relays before them, disks under them, somebody who starts them again.
//
// M1. A member that ends by itself is started again, as its supervisor would do. Only for want of room may it: `ends` has the others.
// M2. close() leaves nothing behind, whatever the last fault was. After a crash of this process the disks' guards clean up.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, freePort, LoopDisk, mebibytes, StoreCluster } from "@lenj/store/testing";
import { Relay } from "./relay.js";

const diskBytes = mebibytes(128);
const restartMs = 250;
const noRoomText = "No space left on device";

export class Members {
  readonly #relays = new Map<string, Relay>();
  readonly #disks = new Map<string, LoopDisk>();
  readonly #supervised = new Set<Promise<void>>();
  #isClosing = false;
  /** Those that ended by themselves without reason, in words. */
  readonly ends: string[] = [];
  /** How often a member ended for want of room. */
  roomless = 0;

  private constructor(readonly cluster: StoreCluster) {}

  /** Starts nothing yet. `hasDisks`: each has a disk of its own, which needs root. */
  static async create(count: number, hasDisks: boolean): Promise<Members> {
    const folder = mkdtempSync(join(tmpdir(), "lenj-chaos-"));
    const members = new Members(await StoreCluster.create({ members: count, flags: ["--snapshot-count", "500"] }, folder));
    try {
      for (const { name, peerURL } of members.cluster.addresses) {
        if (hasDisks) members.#disks.set(name, LoopDisk.create(join(folder, name), diskBytes));
        members.#relays.set(name, await Relay.start(Number(new URL(peerURL).port), await freePort()));
      }
      return members;
    } catch (error) {
      await members.close();
      throw error;
    }
  }

  get names(): string[] {
    return this.cluster.addresses.map(({ name }) => name);
  }

  get hasDisks(): boolean {
    return this.#disks.size > 0;
  }

  relay(name: string): Relay {
    return found(this.#relays, name);
  }

  disk(name: string): LoopDisk {
    return found(this.#disks, name);
  }

  start(name: string): void {
    const loggedBefore = this.cluster.log(name).length;
    this.cluster.start(name, { listenPeerURL: `http://127.0.0.1:${this.relay(name).targetPort}` });
    const supervised = this.#supervise(name, loggedBefore).finally(() => this.#supervised.delete(supervised));
    this.#supervised.add(supervised);
  }

  /** M2. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const disk of this.#disks.values()) disk.thaw();
    for (const name of this.names) await this.cluster.signal(name, "SIGKILL");
    await Promise.all(this.#supervised);
    for (const disk of this.#disks.values()) disk.close();
    await this.cluster.close();
    for (const relay of this.#relays.values()) await relay.close();
  }

  async #supervise(name: string, loggedBefore: number): Promise<void> {
    const code = await this.cluster.exitOf(name);
    // By a signal: it did not end by itself.
    if (code === null || this.#isClosing) return;
    const said = (): string => this.cluster.log(name).slice(loggedBefore);
    try {
      // Its last words may come after its end.
      await eventually(() => Promise.resolve(said().includes(noRoomText) ? true : undefined), 2_000);
      this.roomless += 1;
    } catch {
      this.ends.push(`${name} ended by itself, exit code ${code}: ${said().split("\n").slice(-5).join("\n")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, restartMs));
    if (!this.#isClosing) this.start(name);
  }
}

function found<T>(from: ReadonlyMap<string, T>, name: string): T {
  const value = from.get(name);
  if (value === undefined) throw new Error(`no member ${name}`);
  return value;
}
