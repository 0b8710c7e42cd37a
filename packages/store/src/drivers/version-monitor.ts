// The leader's duty to the cluster's version: finding out what the members run, and having the log say so.
// Source: etcd server/etcdserver/version/monitor.go.
import type { Clock, Logger, Timer } from "@lenj/base";
import { compareVersions, minClusterVersion, parseClusterVersion } from "../core/cluster-version.js";
import type { Replica } from "../replica/replica.js";
import { storeVersion } from "../services/context.js";

const lookEveryMs = 4_000;
/** Until all members have told what they run. */
const firstLooksEveryMs = 500;

/** Asks another member for its version; rejects when it does not answer. */
export interface VersionForwarder {
  versionAt(id: bigint): Promise<string>;
}

export class VersionMonitor {
  #timer: Timer | undefined;
  #closed = false;

  constructor(
    private readonly replica: Replica,
    private readonly forwarder: VersionForwarder,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  start(): void {
    const { version } = this.replica.state.version;
    const isKnown = version !== "" && version !== minClusterVersion;
    this.#timer = this.clock.after(isKnown ? lookEveryMs : firstLooksEveryMs, () => {
      this.#look()
        .catch((error: unknown) => this.logger.debug("Cannot set the cluster version", { error }))
        .finally(() => {
          if (!this.#closed) this.start();
        });
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const { replica } = this;
    if (!replica.isLeader) return;
    const versions = await this.#memberVersions();
    const { version, downgrade } = replica.state.version;
    if (!replica.isLeader || this.#closed) return;
    if (downgrade.isEnabled && versions?.every((found) => found === downgrade.targetVersion) === true) {
      this.logger.info("The cluster has been downgraded", { clusterVersion: downgrade.targetVersion });
      await replica.propose({ downgradeInfoSet: { enabled: false, ver: "" } });
      return;
    }
    const next = replica.state.version.next(versions?.sort(compareVersions)[0]);
    if (next === undefined) return;
    await replica.propose({ clusterVersionSet: { ver: next } });
    this.logger.info("Set cluster version", { from: version, to: next });
  }

  /** "major.minor.0" of each member; undefined unless all have told. */
  async #memberVersions(): Promise<string[] | undefined> {
    const others = this.replica.state.members.list().filter(({ id }) => id !== this.replica.config.memberID);
    try {
      return [storeVersion, ...(await Promise.all(others.map(({ id }) => this.forwarder.versionAt(id))))].map(parseClusterVersion);
    } catch {
      return undefined; // One that is down: the rest decide nothing without it.
    }
  }
}
