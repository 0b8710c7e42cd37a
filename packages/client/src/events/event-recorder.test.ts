import { SeededRandom, silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import type { corev1 } from "@lenj/proto/k8s";
import { resources } from "../resources.js";
import { FakeApiClient } from "../testing/fake-api-client.js";
import { settle } from "../testing/settle.js";
import { EventSink } from "./event-recorder.js";

const pod: corev1.ObjectReference = { apiVersion: "v1", kind: "Pod", namespace: "shop", name: "web-1", uid: "uid-9" };

function setUp() {
  const clock = new ManualClock();
  const client = new FakeApiClient({ clock });
  const sink = new EventSink({ client, clock, random: new SeededRandom(1), logger: silentLogger });
  const events = (): corev1.Event[] => client.objects<corev1.Event>(resources.events);
  return { clock, client, sink, recorder: sink.recorder("replicaset-controller"), events };
}

describe("EventSink", () => {
  it("writes an event about a pod into the pod's namespace, and about a node into default", async () => {
    const { sink, recorder, events } = setUp();
    recorder.event(pod, "Normal", "SuccessfulCreate", "Created pod: web-1");
    recorder.event({ apiVersion: "v1", kind: "Node", name: "node-1", uid: "node-1" }, "Normal", "RegisteredNode", "registered");
    await settle(10);
    expect(events().map((event) => [event.metadata?.namespace, event.involvedObject.name, event.reason])).toEqual([
      ["default", "node-1", "RegisteredNode"],
      ["shop", "web-1", "SuccessfulCreate"],
    ]);
    await sink.close();
  });

  it("counts equal events on one object", async () => {
    const { clock, sink, recorder, events } = setUp();
    for (let turn = 0; turn < 3; turn += 1) {
      recorder.event(pod, "Warning", "FailedScheduling", "0/1 nodes are available");
      await settle(10);
      clock.advance(1000);
    }
    expect(events()).toMatchObject([{ count: 3, firstTimestamp: "2026-01-01T00:00:00Z", lastTimestamp: "2026-01-01T00:00:02Z" }]);
    await sink.close();
  });

  it("folds the tenth different message within ten minutes and what follows into one event", async () => {
    const { sink, recorder, events } = setUp();
    for (let turn = 0; turn < 12; turn += 1) recorder.event(pod, "Warning", "Failed", `attempt ${turn}`);
    await settle(50);
    const combined = events().filter((event) => event.message?.startsWith("(combined from similar events)"));
    expect(events()).toHaveLength(10);
    expect(combined).toMatchObject([{ count: 3, message: "(combined from similar events): attempt 11" }]);
    await sink.close();
  });

  it("drops what one source says about one object beyond 25 at once", async () => {
    const { sink, recorder, client } = setUp();
    for (let turn = 0; turn < 40; turn += 1) recorder.event(pod, "Normal", `Reason${turn}`, "text");
    await settle(120);
    expect(client.calls).toHaveLength(25);
    await sink.close();
  });
});
