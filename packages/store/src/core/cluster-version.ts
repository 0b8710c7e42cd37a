// Which version the members have agreed to behave as, and whether they are on the way to an older one; replicated.
//
// V1. Both change through the log only. Undecided ("") until the first leader has asked the members what they run.
// V2. A downgrade goes one minor version down, from the cluster's version; nothing else is a target.
// Source: etcd server/etcdserver/version.
import type { Backend } from "@lenj/mvcc";
import { StoreError } from "./errors.js";

/** Below every version that has this API; what a cluster is while not all members have told theirs. Upstream: MinClusterVersion. */
export const minClusterVersion = "3.0.0";

export interface Downgrade {
  readonly isEnabled: boolean;
  /** Empty unless enabled. */
  readonly targetVersion: string;
}

const rowKey = (name: string): Uint8Array => Buffer.from(name, "latin1");
const versionKey = rowKey("clusterVersion");
const downgradeKey = rowKey("downgradeTarget");

export class ClusterVersion {
  #version = "";
  #downgrade: Downgrade = { isEnabled: false, targetVersion: "" };

  constructor(private readonly backend: Backend) {}

  /** Takes back what is stored. */
  load(): void {
    const text = (key: Uint8Array): string => Buffer.from(this.backend.get("meta", key) ?? []).toString("latin1");
    this.#version = text(versionKey);
    const targetVersion = text(downgradeKey);
    this.#downgrade = { isEnabled: targetVersion !== "", targetVersion };
  }

  /** "major.minor.0"; empty while undecided. */
  get version(): string {
    return this.#version;
  }

  get downgrade(): Downgrade {
    return this.#downgrade;
  }

  setVersion(version: string): void {
    this.#version = version;
    this.backend.put("meta", versionKey, Buffer.from(version, "latin1"));
  }

  setDowngrade(isEnabled: boolean, targetVersion: string): void {
    this.#downgrade = { isEnabled, targetVersion: isEnabled ? targetVersion : "" };
    this.backend.put("meta", downgradeKey, Buffer.from(this.#downgrade.targetVersion, "latin1"));
  }

  /** Throws what speaks against going down to `targetVersion` now. */
  checkDowngrade(targetVersion: string): void {
    if (this.#version === "") throw new StoreError("CLUSTER_VERSION_UNAVAILABLE");
    if (targetVersion !== minorBelow(this.#version)) throw new StoreError("INVALID_DOWNGRADE_TARGET");
    if (this.#downgrade.isEnabled) throw new StoreError("DOWNGRADE_IN_PROCESS");
  }

  /**
   * What the version should become, given the oldest version that a member runs (undefined: not all have told); undefined to leave it.
   */
  next(oldestMember: string | undefined): string | undefined {
    if (this.#version === "") return oldestMember ?? minClusterVersion;
    if (oldestMember === undefined) return undefined;
    if (this.#downgrade.isEnabled) {
      const { targetVersion } = this.#downgrade;
      const isOneDown = targetVersion === minorBelow(this.#version) && targetVersion === minorBelow(oldestMember);
      return isOneDown ? targetVersion : undefined;
    }
    const isHigher = compareVersions(this.#version, oldestMember) < 0 && partsOf(this.#version)[0] === partsOf(oldestMember)[0];
    return isHigher ? oldestMember : undefined;
  }
}

/** "major.minor.0" of a version written as Go's semver reads it ("v3.5.1", "3.5", "3"). Throws WRONG_DOWNGRADE_VERSION_FORMAT. */
export function parseClusterVersion(text: string): string {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/.exec(text);
  if (match === null) throw new StoreError("WRONG_DOWNGRADE_VERSION_FORMAT");
  return `${Number(match[1])}.${Number(match[2] ?? 0)}.0`;
}

/** As responses show it: "major.minor". */
export function shortVersion(version: string): string {
  return partsOf(version).slice(0, 2).join(".");
}

/** Negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  return (left[0] ?? 0) - (right[0] ?? 0) || (left[1] ?? 0) - (right[1] ?? 0) || (left[2] ?? 0) - (right[2] ?? 0);
}

function minorBelow(version: string): string {
  const [major = 0, minor = 0] = partsOf(version);
  return `${major}.${minor - 1}.0`;
}

function partsOf(version: string): number[] {
  return version.split(".").map(Number);
}
