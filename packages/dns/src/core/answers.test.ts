import type { corev1, discoveryv1 } from "@lenj/proto/k8s";
import { answerQuestion, type ClusterView } from "./answers.js";

const web: corev1.Service = {
  metadata: { name: "web", namespace: "default" },
  spec: { clusterIP: "10.96.0.7", clusterIPs: ["10.96.0.7"], ports: [{ name: "http", port: 80, protocol: "TCP" }] },
};
const db: corev1.Service = {
  metadata: { name: "db", namespace: "default" },
  spec: { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] },
};
const alias: corev1.Service = {
  metadata: { name: "alias", namespace: "default" },
  spec: { type: "ExternalName", externalName: "example.org" },
};
const dbSlice: discoveryv1.EndpointSlice = {
  metadata: { name: "db-1", namespace: "default", labels: { "kubernetes.io/service-name": "db" } },
  addressType: "IPv4",
  ports: [{ name: "sql", port: 5432, protocol: "TCP" }],
  endpoints: [
    { addresses: ["10.244.1.2"], hostname: "db-0", conditions: { ready: true } },
    { addresses: ["10.244.2.3"], conditions: { ready: true } },
    { addresses: ["10.244.2.4"], hostname: "db-2", conditions: { ready: false } },
  ],
};

const view: ClusterView = {
  service: (namespace, name) =>
    [web, db, alias].find((service) => service.metadata?.name === name && service.metadata.namespace === namespace),
  slices: (_namespace, service) => (service === "db" ? [dbSlice] : []),
  hasNamespace: (name) => name === "default",
  serviceByClusterIP: (ip) => (ip === "10.96.0.7" ? web : undefined),
  slicesByAddress: (ip) => (ip.startsWith("10.244.") ? [dbSlice] : []),
};

const ask = (name: string, type = "A") => answerQuestion({ name, type }, view, "cluster.local", 1);
const data = (name: string, type = "A") => ask(name, type).answers.map((record) => record.data);

describe("answerQuestion()", () => {
  it("gives a service's cluster IP, whatever the case of the name", () => {
    expect(data("web.default.svc.cluster.local")).toEqual(["10.96.0.7"]);
    expect(ask("WEB.default.svc.Cluster.Local").answers[0]).toMatchObject({ name: "WEB.default.svc.Cluster.Local", data: "10.96.0.7" });
  });

  it("gives a headless service's ready endpoints, and each by its own name", () => {
    expect(data("db.default.svc.cluster.local")).toEqual(["10.244.1.2", "10.244.2.3"]);
    expect(data("db-0.db.default.svc.cluster.local")).toEqual(["10.244.1.2"]);
    expect(data("10-244-2-3.db.default.svc.cluster.local")).toEqual(["10.244.2.3"]);
    expect(ask("db-2.db.default.svc.cluster.local").rcode).toBe("NXDOMAIN");
  });

  it("gives ports by SRV, with the targets' addresses beside them", () => {
    expect(data("_http._tcp.web.default.svc.cluster.local", "SRV")).toEqual([
      { priority: 0, weight: 100, port: 80, target: "web.default.svc.cluster.local" },
    ]);
    const headless = ask("_sql._tcp.db.default.svc.cluster.local", "SRV");
    expect(headless.answers.map((record) => (record.type === "SRV" ? record.data.target : ""))).toEqual([
      "db-0.db.default.svc.cluster.local",
      "10-244-2-3.db.default.svc.cluster.local",
    ]);
    expect(headless.additionals.map((record) => record.data)).toEqual(["10.244.1.2", "10.244.2.3"]);
    expect(ask("_ftp._tcp.web.default.svc.cluster.local", "SRV").rcode).toBe("NXDOMAIN");
  });

  it("tells a missing name from a missing type", () => {
    const missing = ask("nope.default.svc.cluster.local");
    expect([missing.rcode, missing.authorities[0]?.type]).toEqual(["NXDOMAIN", "SOA"]);
    const noType = ask("web.default.svc.cluster.local", "AAAA");
    expect([noType.rcode, noType.answers.length, noType.authorities[0]?.type]).toEqual(["NOERROR", 0, "SOA"]);
    expect(ask("default.svc.cluster.local").rcode).toBe("NOERROR");
    expect(ask("nowhere.svc.cluster.local").rcode).toBe("NXDOMAIN");
  });

  it("gives an external name as an alias", () => {
    expect(ask("alias.default.svc.cluster.local").answers).toMatchObject([{ type: "CNAME", data: "example.org" }]);
  });

  it("gives names of addresses", () => {
    expect(data("7.0.96.10.in-addr.arpa", "PTR")).toEqual(["web.default.svc.cluster.local"]);
    expect(data("2.1.244.10.in-addr.arpa", "PTR")).toEqual(["db-0.db.default.svc.cluster.local"]);
    expect(data("10-244-9-9.default.pod.cluster.local")).toEqual(["10.244.9.9"]);
  });

  it("says the version of the specification that it follows", () => {
    expect(data("dns-version.cluster.local", "TXT")).toEqual(["1.1.0"]);
  });

  it("refuses other zones", () => {
    expect(ask("example.org").rcode).toBe("REFUSED");
  });
});
