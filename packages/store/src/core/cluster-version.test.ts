import { MemoryBackend } from "@lenj/mvcc/testing";
import { ClusterVersion, compareVersions, parseClusterVersion, shortVersion } from "./cluster-version.js";

function versionOf(version: string, target = ""): ClusterVersion {
  const made = new ClusterVersion(new MemoryBackend());
  if (version !== "") made.setVersion(version);
  if (target !== "") made.setDowngrade(true, target);
  return made;
}

const refusal = (version: ClusterVersion, target: string): unknown => {
  try {
    version.checkDowngrade(target);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

describe("ClusterVersion", () => {
  it("is the oldest member's once all have told, and the least before", () => {
    expect(versionOf("").next(undefined)).toBe("3.0.0");
    expect(versionOf("").next("3.6.0")).toBe("3.6.0");
    expect(versionOf("3.0.0").next(undefined)).toBeUndefined();
    expect(versionOf("3.0.0").next("3.6.0")).toBe("3.6.0");
    expect(versionOf("3.6.0").next("3.6.0")).toBeUndefined();
  });

  it("never goes down but to the target of a downgrade, and up again when that is called off", () => {
    expect(versionOf("3.6.0").next("3.5.0")).toBeUndefined();
    expect(versionOf("3.6.0", "3.5.0").next("3.6.0")).toBe("3.5.0");
    expect(versionOf("3.5.0", "3.5.0").next("3.6.0")).toBeUndefined();
    expect(versionOf("3.5.0").next("3.6.0")).toBe("3.6.0");
  });

  it("allows one minor version down, once", () => {
    expect(refusal(versionOf("3.6.0"), "3.5.0")).toBeUndefined();
    expect(refusal(versionOf("3.6.0"), "3.4.0")).toBe("etcdserver: invalid downgrade target version");
    expect(refusal(versionOf("3.6.0", "3.5.0"), "3.5.0")).toBe("etcdserver: cluster has a downgrade job in progress");
    expect(refusal(versionOf(""), "3.5.0")).toBe("etcdserver: cluster version not found during downgrade");
  });

  it("comes back as it was stored", () => {
    const backend = new MemoryBackend();
    const before = new ClusterVersion(backend);
    before.setVersion("3.6.0");
    before.setDowngrade(true, "3.5.0");
    const after = new ClusterVersion(backend);
    after.load();
    expect([after.version, after.downgrade]).toEqual(["3.6.0", { isEnabled: true, targetVersion: "3.5.0" }]);
    after.setDowngrade(false, "");
    before.load();
    expect(before.downgrade).toEqual({ isEnabled: false, targetVersion: "" });
  });
});

describe("versions", () => {
  it("are read as Go's semver reads them", () => {
    for (const text of ["3.5", "v3.5.9", "3.5.0-rc.1", "3.5.2+debian"]) expect(parseClusterVersion(text)).toBe("3.5.0");
    expect(parseClusterVersion("3")).toBe("3.0.0");
    for (const text of ["", "three", "3.5.1.2", "3.x"])
      expect(() => parseClusterVersion(text)).toThrow("etcdserver: wrong downgrade target version format");
  });

  it("are compared by number and shown short", () => {
    expect(compareVersions("3.10.0", "3.9.0")).toBeGreaterThan(0);
    expect(shortVersion("3.6.0")).toBe("3.6");
  });
});
