import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import { emptyRuleSet, formatIncrement, planRules } from "./rule-plan.js";
import { observeServicePorts } from "./service-map.js";

const options = { clusterCIDR: "10.244.0.0/16", nodeIPs: ["10.200.1.1"] };

function service(overrides: Partial<corev1.ServiceSpec> = {}): corev1.Service {
  return {
    metadata: { name: "web", namespace: "default" },
    spec: { clusterIP: "10.96.0.7", clusterIPs: ["10.96.0.7"], ports: [{ name: "http", port: 80, protocol: "TCP" }], ...overrides },
  };
}

function slice(endpoints: { ip: string; node?: string; ready?: boolean; serving?: boolean }[]): discoveryv1.EndpointSlice {
  return {
    metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: endpoints.map(({ ip, node, ready, serving }) => ({
      addresses: [ip],
      nodeName: node ?? "node-1",
      conditions: { ready: ready ?? true, serving: serving ?? ready ?? true },
    })),
  };
}

const plan = (spec: Partial<corev1.ServiceSpec>, endpoints: Parameters<typeof slice>[0]) =>
  planRules(observeServicePorts([service(spec)], [slice(endpoints)], "node-1"), options);

describe("observeServicePorts()", () => {
  it("prefers ready endpoints and falls back to serving ones that terminate", () => {
    const both = observeServicePorts(
      [service()],
      [slice([{ ip: "10.244.1.2" }, { ip: "10.244.1.3", ready: false, serving: true }])],
      "node-1",
    );
    expect(both[0]?.clusterEndpoints.map((endpoint) => endpoint.ip)).toEqual(["10.244.1.2"]);
    const draining = observeServicePorts([service()], [slice([{ ip: "10.244.1.3", ready: false, serving: true }])], "node-1");
    expect(draining[0]?.clusterEndpoints.map((endpoint) => endpoint.ip)).toEqual(["10.244.1.3"]);
  });

  it("leaves out headless services and external names", () => {
    expect(observeServicePorts([service({ clusterIP: "None" }), service({ type: "ExternalName" })], [], "node-1")).toEqual([]);
  });
});

describe("planRules()", () => {
  it("spreads a service over its endpoints in one rule", () => {
    const rules = plan({}, [{ ip: "10.244.1.2" }, { ip: "10.244.2.3", node: "node-2" }]);
    const [chain] = [...rules.chains.values()];
    expect(chain?.at(-1)).toBe(
      "meta l4proto tcp dnat ip addr . port to numgen random mod 2 map { 0 : 10.244.1.2 . 8080, 1 : 10.244.2.3 . 8080 }",
    );
    expect([...(rules.elements.get("hairpin") ?? [])]).toEqual(["10.244.1.2 . 10.244.1.2"]);
  });

  it("refuses connections to a service without endpoints", () => {
    expect([...(plan({}, []).elements.get("no-endpoint-services") ?? [])]).toEqual(["10.96.0.7 . tcp . 80 : goto reject-connection"]);
  });

  it("keeps to this node's endpoints under internalTrafficPolicy Local, and drops where it has none", () => {
    const rules = plan({ internalTrafficPolicy: "Local" }, [{ ip: "10.244.2.3", node: "node-2" }]);
    expect([...(rules.elements.get("no-endpoint-services") ?? [])]).toEqual(["10.96.0.7 . tcp . 80 : drop"]);
  });

  it("opens a node port that masquerades, unless the policy keeps the client's address", () => {
    const ports = [{ name: "http", port: 80, nodePort: 30080, protocol: "TCP" as const }];
    const cluster = plan({ type: "NodePort", ports }, [{ ip: "10.244.1.2" }]);
    const external = [...cluster.chains].find(([name]) => name.startsWith("ext-"));
    expect(external?.[1]).toEqual(["meta mark set mark or 0x4000", "meta l4proto tcp dnat to 10.244.1.2:8080"]);
    const local = plan({ type: "NodePort", externalTrafficPolicy: "Local", ports }, [{ ip: "10.244.2.3", node: "node-2" }]);
    expect([...local.chains].find(([name]) => /^ext-[^-]+$/.test(name))?.[1].at(-1)).toBe("drop");
  });
});

describe("session affinity", () => {
  const two = [{ ip: "10.244.1.2" }, { ip: "10.244.1.3" }];
  const sticky = plan({ sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }, two);
  const [name, chain] = [...sticky.chains][0] ?? ["", []];

  it("sends a client back to the endpoint that remembers it, else to any with equal chance", () => {
    const sets = ["10x244x1x2", "10x244x1x3"].map((ip) => `aff-${name}-${ip}-8080`);
    expect(chain.slice(-4)).toEqual([
      `meta l4proto tcp ip saddr @${sets[0]} update @${sets[0]} { ip saddr } dnat to 10.244.1.2:8080`,
      `meta l4proto tcp ip saddr @${sets[1]} update @${sets[1]} { ip saddr } dnat to 10.244.1.3:8080`,
      `meta l4proto tcp numgen random mod 2 0 update @${sets[0]} { ip saddr } dnat to 10.244.1.2:8080`,
      `meta l4proto tcp update @${sets[1]} { ip saddr } dnat to 10.244.1.3:8080`,
    ]);
    expect([...sticky.affinitySets]).toEqual(sets.map((set) => [set, 60]));
  });

  it("lasts three hours unless said otherwise, and none is kept without it", () => {
    expect([...plan({ sessionAffinity: "ClientIP" }, two).affinitySets.values()]).toEqual([10_800, 10_800]);
    expect(plan({ sessionAffinity: "None" }, two).affinitySets.size).toBe(0);
  });

  it("forgets with the endpoint that went", () => {
    const fewer = plan({ sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }, two.slice(1));
    expect(formatIncrement(sticky, fewer)).toMatch(/delete set ip \S+ aff-\S+-10x244x1x2-8080/);
  });
});

describe("endpoint readiness", () => {
  it.each([
    ["ready ones alone", [{ ip: "10.244.1.2" }, { ip: "10.244.1.3", ready: false }], ["10.244.1.2"]],
    ["terminating ones that still serve, when none is ready", [{ ip: "10.244.1.3", ready: false, serving: true }], ["10.244.1.3"]],
    ["none, and refuses", [{ ip: "10.244.1.3", ready: false }], []],
  ])("takes %s", (_, endpoints, ips) => {
    const rules = plan({}, endpoints);
    expect([...rules.chains.values()].flat().flatMap((rule) => rule.match(/10\.244\.\d+\.\d+(?=:)/g) ?? [])).toEqual(ips);
    expect(rules.elements.get("no-endpoint-services")?.size).toBe(ips.length === 0 ? 1 : 0);
  });
});

describe("formatIncrement()", () => {
  it("is empty when nothing changed", () => {
    expect(formatIncrement(plan({}, [{ ip: "10.244.1.2" }]), plan({}, [{ ip: "10.244.1.2" }]))).toBe("");
  });

  it("changes only the chain whose endpoints changed", () => {
    const script = formatIncrement(plan({}, [{ ip: "10.244.2.2", node: "node-2" }]), plan({}, [{ ip: "10.244.2.3", node: "node-2" }]));
    expect(
      script
        .trim()
        .split("\n")
        .map((line) => line.split(" ").slice(0, 2).join(" ")),
    ).toEqual(["flush chain", "add rule", "add rule"]);
  });

  it("removes map entries before the chains they point at", () => {
    const script = formatIncrement(plan({}, [{ ip: "10.244.2.2", node: "node-2" }]), emptyRuleSet);
    expect(script.indexOf("delete element")).toBeLessThan(script.indexOf("delete chain"));
  });
});
