import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import { planEndpoints } from "../endpoints/plan.js";
import { resolveTargetPort } from "./endpoint.js";
import { type ObservedService, planEndpointSlices } from "./plan.js";

const service = (spec: Partial<corev1.ServiceSpec> = {}, metadata: corev1.Service["metadata"] = {}): corev1.Service => ({
  metadata: { name: "web", namespace: "shop", uid: "svc", labels: { app: "web" }, ...metadata },
  spec: { clusterIP: "10.0.0.1", ipFamilies: ["IPv4"], ports: [{ port: 80, targetPort: 8080 }], ...spec } as corev1.ServiceSpec,
});

interface PodFacts {
  readonly ips?: string[];
  readonly ready?: boolean;
  readonly deleting?: boolean;
  readonly phase?: corev1.PodPhase;
  readonly spec?: Partial<corev1.PodSpec>;
}

function pod(
  name: string,
  { ips = [`10.1.0.${name.length}`], ready = true, deleting = false, phase = "Running", spec }: PodFacts = {},
): corev1.Pod {
  return {
    metadata: { name, namespace: "shop", uid: `uid-${name}`, ...(deleting && { deletionTimestamp: "2026-01-01T00:00:00Z" }) },
    spec: { nodeName: "n1", containers: [{ name: "c" }], ...spec },
    status: { phase, podIPs: ips.map((ip) => ({ ip })), conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

const nodes = new Map([["n1", { metadata: { name: "n1", labels: { "topology.kubernetes.io/zone": "z1" } } }]]);
const observe = (pods: corev1.Pod[], about: Partial<ObservedService> = {}): ObservedService => ({
  service: service(),
  pods,
  slices: [],
  nodes,
  endpointsPerSliceMax: 2,
  ...about,
});
/** As the api-server would keep it. */
const kept = (slices: readonly discoveryv1.EndpointSlice[]): discoveryv1.EndpointSlice[] =>
  slices.map((slice, at) => ({ ...slice, metadata: { ...slice.metadata, name: `web-${at}` } }));
const addresses = (slices: readonly discoveryv1.EndpointSlice[]): string[][] =>
  slices.map(({ endpoints }) => (endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []));

describe("planEndpointSlices()", () => {
  it("makes slices that say who is ready, where, and for which Service", () => {
    const { create } = planEndpointSlices(observe([pod("a"), pod("bb", { ready: false })]));
    expect(create).toEqual([
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          generateName: "web-",
          namespace: "shop",
          labels: {
            app: "web",
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
          },
          ownerReferences: [{ apiVersion: "v1", kind: "Service", name: "web", uid: "svc", controller: true, blockOwnerDeletion: true }],
        },
        addressType: "IPv4",
        ports: [{ name: "", protocol: "TCP", port: 8080 }],
        endpoints: [
          {
            addresses: ["10.1.0.1"],
            conditions: { ready: true, serving: true, terminating: false },
            targetRef: { kind: "Pod", namespace: "shop", name: "a", uid: "uid-a" },
            nodeName: "n1",
            zone: "z1",
          },
          {
            addresses: ["10.1.0.2"],
            conditions: { ready: false, serving: false, terminating: false },
            targetRef: { kind: "Pod", namespace: "shop", name: "bb", uid: "uid-bb" },
            nodeName: "n1",
            zone: "z1",
          },
        ],
      },
    ]);
  });

  it.each<[PodFacts, boolean, object | undefined]>([
    [{ deleting: true }, false, { ready: false, serving: true, terminating: true }],
    [{ deleting: true, ready: false }, false, { ready: false, serving: false, terminating: true }],
    [{ ready: false }, true, { ready: true, serving: false, terminating: false }],
    [{ phase: "Succeeded" }, false, undefined],
    [{ phase: "Failed" }, false, undefined],
    [{ ips: [] }, false, undefined],
    [{ ips: ["fd00::1"] }, false, undefined],
  ])("of a pod %j (published unready: %s) says %j", (facts, publishNotReadyAddresses, conditions) => {
    const { create } = planEndpointSlices(observe([pod("a", facts)], { service: service({ publishNotReadyAddresses }) }));
    expect(create[0]?.endpoints?.[0]?.conditions).toEqual(conditions);
  });

  it("keeps full slices, fills those with room, and makes a new one only then", () => {
    const before = kept(planEndpointSlices(observe([pod("a"), pod("bb"), pod("ccc")])).create);
    expect(addresses(before)).toEqual([["10.1.0.1", "10.1.0.2"], ["10.1.0.3"]]);
    const pods = [pod("a"), pod("bb"), pod("ccc"), pod("dddd"), pod("eeeee")];
    const { create, update, remove } = planEndpointSlices(observe(pods, { slices: before }));
    expect([addresses(create), addresses(update), remove]).toEqual([[["10.1.0.5"]], [["10.1.0.3", "10.1.0.4"]], []]);
  });

  it("changes nothing where everything is as it should be, whatever the order", () => {
    const slices = kept(planEndpointSlices(observe([pod("a"), pod("bb"), pod("ccc")])).create);
    expect(planEndpointSlices(observe([pod("ccc"), pod("bb"), pod("a")], { slices }))).toEqual({ create: [], update: [], remove: [] });
  });

  it("keeps one empty slice, and removes what is empty or of another family", () => {
    const slices = kept(planEndpointSlices(observe([pod("a"), pod("bb"), pod("ccc")])).create);
    const none = planEndpointSlices(observe([], { slices }));
    expect([none.create, addresses(none.update), none.remove]).toEqual([[], [[]], [slices[1]]]);
    const fewer = planEndpointSlices(observe([pod("a"), pod("bb")], { slices }));
    expect([fewer.create, fewer.update, fewer.remove]).toEqual([[], [], [slices[1]]]);
    const other = planEndpointSlices(observe([], { slices, service: service({ ipFamilies: ["IPv6"] }) }));
    expect([other.create.map(({ addressType }) => addressType), other.remove]).toEqual([["IPv6"], slices]);
  });

  it("gives each family of a dual-stack Service slices of its own", () => {
    const dual = planEndpointSlices(
      observe([pod("a", { ips: ["10.1.0.1", "fd00::1"] })], { service: service({ ipFamilies: ["IPv4", "IPv6"] }) }),
    );
    expect(dual.create.map(({ addressType, endpoints }) => [addressType, endpoints?.[0]?.addresses])).toEqual([
      ["IPv4", ["10.1.0.1"]],
      ["IPv6", ["fd00::1"]],
    ]);
  });

  it("keeps pods apart whose named ports differ", () => {
    const named = (number: number): Partial<corev1.PodSpec> => ({
      containers: [{ name: "c", ports: [{ name: "http", containerPort: number }] }],
    });
    const pods = [pod("a", { spec: named(8080) }), pod("bb", { spec: named(9090) })];
    const { create } = planEndpointSlices(observe(pods, { service: service({ ports: [{ name: "web", port: 80, targetPort: "http" }] }) }));
    expect(create.map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints?.[0]?.addresses?.[0]])).toEqual([
      [8080, "10.1.0.1"],
      [9090, "10.1.0.2"],
    ]);
  });

  it("names pods of a headless Service that ask for it", () => {
    const spec = { hostname: "db-0", subdomain: "web" };
    const { create } = planEndpointSlices(
      observe([pod("a", { spec }), pod("bb", { spec: { hostname: "x" } })], { service: service({ clusterIP: "None" }) }),
    );
    expect(create[0]?.endpoints?.map(({ hostname }) => hostname)).toEqual(["db-0", undefined]);
    expect(create[0]?.metadata?.labels).toMatchObject({ "service.kubernetes.io/headless": "" });
  });
});

describe("resolveTargetPort()", () => {
  const target = pod("a", {
    spec: {
      containers: [
        {
          name: "c",
          ports: [
            { name: "dns", containerPort: 53, protocol: "UDP" },
            { name: "dns", containerPort: 5353 },
          ],
        },
      ],
      initContainers: [{ name: "sidecar", restartPolicy: "Always", ports: [{ name: "metrics", containerPort: 9090 }] }],
    },
  });
  it.each<[corev1.ServicePort, number | undefined]>([
    [{ port: 80 }, 80],
    [{ port: 80, targetPort: 8080 }, 8080],
    [{ port: 80, targetPort: "dns" }, 5353],
    [{ port: 80, targetPort: "dns", protocol: "UDP" }, 53],
    [{ port: 80, targetPort: "metrics" }, 9090],
    [{ port: 80, targetPort: "none" }, undefined],
  ])("of %j is %d", (port, number) => {
    expect(resolveTargetPort(port, target)).toBe(number);
  });
});

describe("planEndpoints()", () => {
  it("lists ready and other pods apart, by name, without those that end", () => {
    const pods = [pod("bb", { ready: false }), pod("a"), pod("ccc", { deleting: true }), pod("dddd", { phase: "Failed" })];
    const { subsets, metadata } = planEndpoints(service(), pods);
    expect(metadata).toMatchObject({
      name: "web",
      namespace: "shop",
      labels: { app: "web", "endpoints.kubernetes.io/managed-by": "endpoint-controller" },
    });
    expect(subsets).toEqual([
      {
        addresses: [{ ip: "10.1.0.1", nodeName: "n1", targetRef: { kind: "Pod", namespace: "shop", name: "a", uid: "uid-a" } }],
        notReadyAddresses: [{ ip: "10.1.0.2", nodeName: "n1", targetRef: { kind: "Pod", namespace: "shop", name: "bb", uid: "uid-bb" } }],
        ports: [{ port: 8080, protocol: "TCP" }],
      },
    ]);
  });

  it("publishes all where the Service says so, and cuts off at a thousand", () => {
    const published = planEndpoints(service({ publishNotReadyAddresses: true }), [pod("a", { ready: false })]);
    expect(published.subsets?.[0]?.addresses).toHaveLength(1);
    const many = Array.from({ length: 1_001 }, (_, at) => pod(`p${String(at).padStart(4, "0")}`));
    const cut = planEndpoints(service(), many);
    expect([cut.subsets?.[0]?.addresses?.length, cut.metadata?.annotations]).toEqual([
      1_000,
      { "endpoints.kubernetes.io/over-capacity": "truncated" },
    ]);
    expect(planEndpoints(service(), []).subsets).toEqual([]);
  });
});
