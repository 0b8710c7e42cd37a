import type { MountStep } from "./launch/mount-steps.js";
import { cleanPath, decodeDevice, encodeDevice, type MountInputs, planMounts, type RequestedMount } from "./mount-plan.js";

const inputs = (more: Partial<MountInputs> = {}): MountInputs => ({
  requested: [],
  sandboxFiles: [{ containerPath: "/etc/hosts", source: "/node/hosts" }],
  sharedMemory: "/node/shm",
  devices: [],
  cgroups: [],
  privileged: false,
  makesDevices: true,
  ownsNetwork: true,
  terminal: false,
  maskedPaths: ["/proc/kcore"],
  readonlyPaths: ["/proc/sys"],
  ...more,
});
const mount = (containerPath: string, more: Partial<RequestedMount> = {}): RequestedMount => ({
  containerPath,
  source: `/node${containerPath}`,
  isDirectory: true,
  readonly: false,
  recursiveReadonly: false,
  propagation: "private",
  ...more,
});
const targets = (steps: readonly MountStep[]): string[] => steps.map((step) => step.target);
const at = (steps: readonly MountStep[], target: string): MountStep | undefined => steps.find((step) => step.target === target);

describe("planMounts", () => {
  it("gives every container proc, sys, devices, shared memory and the pod's files", () => {
    const steps = planMounts(inputs());
    expect(targets(steps)).toEqual(
      expect.arrayContaining(["/proc", "/sys", "/dev", "/dev/null", "/dev/pts", "/dev/shm", "/dev/ptmx", "/etc/hosts"]),
    );
    expect(at(steps, "/dev/null")).toMatchObject({ type: "node", device: encodeDevice(1, 3) });
  });

  it("mounts parents before what lies in them, else in the order asked for", () => {
    const requested = [mount("/a/b/c"), mount("/z"), mount("/a"), mount("/a/b")];
    expect(targets(planMounts(inputs({ requested }))).filter((target) => /^\/[az]/.test(target))).toEqual(["/z", "/a", "/a/b", "/a/b/c"]);
  });

  it.each(["/etc/hosts", "/dev/shm", "/proc", "/sys", "/dev"])("lets the pod's own mount at %s win", (path) => {
    const steps = planMounts(inputs({ requested: [mount(`${path}/`)] }));
    expect(steps.filter((step) => step.target === path)).toHaveLength(1);
    expect(at(steps, path)).toMatchObject({ type: "bind", source: `/node${path}/` });
  });

  it("masks paths last, and not for the privileged", () => {
    expect(planMounts(inputs()).slice(-2)).toEqual([
      { type: "mask", target: "/proc/kcore" },
      { type: "readonlyPath", target: "/proc/sys" },
    ]);
    expect(planMounts(inputs({ privileged: true })).some((step) => step.type === "mask" || step.type === "readonlyPath")).toBe(false);
  });

  it("shows the node's sysfs where the network is not the sandbox's own, and binds devices it may not make", () => {
    expect(at(planMounts(inputs({ ownsNetwork: false })), "/sys")).toMatchObject({ type: "bind", readonly: true });
    expect(at(planMounts(inputs({ makesDevices: false })), "/dev/null")).toMatchObject({ type: "bind", source: "/dev/null" });
  });

  it("keeps propagation and read-only as asked for", () => {
    const requested = [mount("/data", { readonly: true, recursiveReadonly: true, propagation: "slave" as RequestedMount["propagation"] })];
    expect(at(planMounts(inputs({ requested })), "/data")).toMatchObject({ readonly: true, recursiveReadonly: true, propagation: "slave" });
  });
});

it.each([
  ["/a//b/./c/", "/a/b/c"],
  ["a/../../b", "/b"],
  ["/", "/"],
])("cleans %s to %s", (path, clean) => expect(cleanPath(path)).toBe(clean));

it.each([
  [1, 3],
  [259, 65_536],
])("takes device %i:%i apart again", (major, minor) => expect(decodeDevice(encodeDevice(major, minor))).toEqual({ major, minor }));
