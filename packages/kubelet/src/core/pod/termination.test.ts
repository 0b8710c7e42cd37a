import type { corev1 } from "@lenj/proto/k8s";
import { container, exited, pod, record, runtimeState, sandbox } from "../../testing/pod-fixtures.js";
import type { ContainerRecord } from "../runtime-state.js";
import { planGarbage } from "./garbage.js";
import { activeDeadlineMs, graceSeconds, probeGraceSeconds, stopOrder } from "./termination.js";

const sidecar = (name: string): corev1.Container => container(name, { restartPolicy: "Always" });

describe("stopOrder", () => {
  const names = (wanted: corev1.Pod | undefined, ...records: ContainerRecord[]) =>
    stopOrder(wanted, runtimeState([sandbox()], records)).map((group) => group.map((step) => step.name));

  it("stops containers together, then sidecars one by one in the reverse of their start", () => {
    const wanted = pod({ initContainers: [sidecar("s1"), sidecar("s2")], containers: [container("a"), container("b")] });
    expect(names(wanted, record("a"), record("b"), record("s1"), record("s2"))).toEqual([["a", "b"], ["s2"], ["s1"]]);
  });

  it("passes by what has exited, and takes what the pod does not name", () => {
    const wanted = pod({ initContainers: [sidecar("s1")] });
    expect(names(wanted, exited("app", 0), record("s1"))).toEqual([["s1"]]);
    expect(names(undefined, record("stray"))).toEqual([["stray"]]);
  });
});

describe("grace periods", () => {
  it.each([
    ["the deletion's", pod({ terminationGracePeriodSeconds: 60 }, { deletionGracePeriodSeconds: 5 }), undefined, 5],
    ["the pod's", pod({ terminationGracePeriodSeconds: 60 }), undefined, 60],
    ["the default", pod({}), undefined, 30],
    ["an eviction's", pod({ terminationGracePeriodSeconds: 60 }), 0, 1],
    ["at least a second", pod({}, { deletionGracePeriodSeconds: 0 }), undefined, 1],
    ["an unknown pod's", undefined, undefined, 30],
  ])("takes %s", (_, wanted, override, seconds) => expect(graceSeconds(wanted, override)).toBe(seconds));

  it.each([
    ["liveness", { livenessProbe: { terminationGracePeriodSeconds: 3 } }, 3],
    ["startup", { startupProbe: { terminationGracePeriodSeconds: 4 } }, 4],
    ["startup", { livenessProbe: { terminationGracePeriodSeconds: 3 } }, 9],
    ["changed", { livenessProbe: { terminationGracePeriodSeconds: 3 } }, 9],
  ] as const)("after %s with %j: %i s", (reason, more, seconds) => {
    expect(probeGraceSeconds(pod({ terminationGracePeriodSeconds: 9 }), container("app", more), reason)).toBe(seconds);
  });

  it("ends a pod its active deadline after its start", () => {
    expect(activeDeadlineMs(pod({ activeDeadlineSeconds: 10 }), 5_000)).toBe(15_000);
    expect(activeDeadlineMs(pod({ activeDeadlineSeconds: 10 }), undefined)).toBeUndefined();
    expect(activeDeadlineMs(pod({}), 5_000)).toBeUndefined();
  });
});

describe("planGarbage", () => {
  const old = sandbox({ id: "old", ready: false });
  const runtime = runtimeState(
    [sandbox(), old],
    [record("app", { id: "c3" }), exited("app", 1, { id: "c2" }), exited("app", 1, { id: "c1", sandboxID: "old" })],
  );
  it("keeps one dead container per name of a pod that is wanted, and drops a dead sandbox left empty", () => {
    expect(planGarbage(runtime, true)).toEqual({ containerIDs: ["c1"], sandboxIDs: ["old"] });
  });
  it("drops everything dead of a pod that is gone, and nothing that lives", () => {
    expect(planGarbage(runtime, false)).toEqual({ containerIDs: ["c2", "c1"], sandboxIDs: ["old"] });
  });
  it("keeps the newest sandbox of a wanted pod although it is dead", () => {
    expect(planGarbage(runtimeState([old]), true).sandboxIDs).toEqual([]);
    expect(planGarbage(runtimeState([old]), false).sandboxIDs).toEqual(["old"]);
  });
});
