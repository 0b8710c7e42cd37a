import { ManualClock } from "@lenj/base/testing";
import type { corev1 } from "@lenj/proto/k8s";
import { pod } from "../testing/cluster.js";
import type { Plugin } from "./framework.js";
import { SchedulingQueue } from "./scheduling-queue.js";

const plugins: readonly Plugin[] = [
  {
    name: "Gates",
    weight: 0,
    wakesOn: ["PodUpdate"],
    preEnqueue: ({ spec }) => ((spec?.schedulingGates ?? []).length > 0 ? "gated" : undefined),
  },
  { name: "Fit", weight: 0, wakesOn: ["NodeAdd", "PodDelete"] },
  { name: "Taints", weight: 0, wakesOn: ["NodeTaint"] },
];

function queueOf(): {
  queue: SchedulingQueue;
  clock: ManualClock;
  put: (key: string, about?: corev1.Pod) => void;
  reject: (...by: string[]) => void;
} {
  const clock = new ManualClock();
  const queue = new SchedulingQueue({ clock, plugins, initialBackoffMs: 1_000, maxBackoffMs: 10_000, unschedulableMaxMs: 300_000 });
  return {
    queue,
    clock,
    put: (key, about = pod({ name: key })) => queue.put(key, about),
    reject: (...by) => queue.requeueRejected(queue.take()?.key ?? "", new Set(by)),
  };
}

/** Places that hold pods, with how many. */
function places(queue: SchedulingQueue): Record<string, number> {
  return Object.fromEntries(Object.entries(queue.counts()).filter(([, count]) => count > 0));
}

describe("SchedulingQueue", () => {
  it("gives pods by priority, then by age, one flight each", () => {
    const { queue, put } = queueOf();
    put("old");
    put("young");
    put("important", pod({ priority: 10 }));
    expect([queue.take()?.key, queue.take()?.key, queue.take()?.key, queue.take()?.key]).toEqual(["important", "old", "young", undefined]);
    expect(places(queue)).toEqual({ inFlight: 3 });
    queue.done("old");
    queue.remove("young");
    expect(places(queue)).toEqual({ inFlight: 1 });
  });

  it("keeps gated pods aside until their gates are gone", () => {
    const { queue, put } = queueOf();
    put("p", pod({ spec: { schedulingGates: [{ name: "g" }] } }));
    queue.onEvent("NodeAdd");
    expect([queue.take(), places(queue), queue.nextDueInMs()]).toEqual([undefined, { gated: 1 }, undefined]);
    put("p", pod());
    expect(queue.take()?.key).toBe("p");
  });

  it.each([
    [["Fit"], "NodeTaint", { unschedulable: 1 }],
    [["Fit"], "NodeAdd", { backoff: 1 }],
    [["Fit", "Taints"], "NodeTaint", { backoff: 1 }],
    [["Taints"], "PodDelete", { unschedulable: 1 }],
    [["Taints"], "Other", { backoff: 1 }],
    [[], "NodeLabel", { backoff: 1 }],
  ] as const)("wakes a pod that %j rejected on %s: %j", (by, event, expected) => {
    const { queue, put, reject } = queueOf();
    put("p");
    reject(...by);
    expect(places(queue)).toEqual({ unschedulable: 1 });
    queue.onEvent(event);
    expect(places(queue)).toEqual(expected);
  });

  it("counts events that came while the pod was in flight", () => {
    const { queue, put } = queueOf();
    put("p");
    queue.take();
    queue.onEvent("NodeTaint");
    queue.onEvent("NodeAdd");
    queue.requeueRejected("p", new Set(["Fit"]));
    expect(places(queue)).toEqual({ backoff: 1 });
  });

  it("doubles the back-off from one second to ten", () => {
    const { queue, clock, put, reject } = queueOf();
    put("p");
    const waits = Array.from({ length: 6 }, () => {
      reject("Fit");
      queue.onEvent("NodeAdd");
      const waitMs = queue.nextDueInMs() ?? 0;
      clock.advance(waitMs - 1);
      expect(queue.take()).toBeUndefined();
      clock.advance(1);
      return waitMs;
    });
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it("tries a woken pod at once when its back-off is over already", () => {
    const { queue, clock, put, reject } = queueOf();
    put("p");
    reject("Fit");
    clock.advance(60_000);
    queue.onEvent("PodDelete");
    expect(places(queue)).toEqual({ active: 1 });
  });

  it("tries a pod again after five minutes though nothing happened", () => {
    const { queue, clock, put, reject } = queueOf();
    put("p");
    reject("Fit");
    expect(queue.nextDueInMs()).toBe(300_000);
    clock.advance(299_999);
    expect(queue.take()).toBeUndefined();
    clock.advance(1);
    expect(queue.take()?.attempts).toBe(2);
  });

  it("tries a pod again when the pod itself changed", () => {
    const { queue, clock, put, reject } = queueOf();
    put("p");
    reject("Fit");
    clock.advance(1_000);
    put("p", pod({ requests: { cpu: "1m" } }));
    expect(queue.take()?.pod.spec?.containers?.[0]?.resources).toEqual({ requests: { cpu: "1m" } });
  });

  it("backs off after an error that is no rejection, and forgets pods that are gone meanwhile", () => {
    const { queue, clock, put } = queueOf();
    put("p");
    queue.take();
    queue.requeueFailed("p");
    expect(places(queue)).toEqual({ backoff: 1 });
    clock.advance(1_000);
    queue.take();
    queue.remove("p");
    queue.requeueFailed("p");
    queue.requeueRejected("p", new Set(["Fit"]));
    expect(places(queue)).toEqual({});
  });
});
