import type { corev1 } from "@lenj/proto/k8s";
import { pod } from "../../testing/pod-fixtures.js";
import { hostNetworkHostsFile, hostsFile, kernelHostname, podHostname } from "./hosts-file.js";
import { type DNSSettings, formatResolvConf, parseResolvConf, podDNS } from "./resolv-conf.js";

describe("podDNS", () => {
  const input = {
    clusterDNS: ["10.96.0.10"],
    clusterDomain: "cluster.local",
    node: { servers: ["9.9.9.9"], searches: ["corp.example"], options: ["timeout:1"] },
  };
  const cluster = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"];
  it.each<[string, Partial<corev1.PodSpec>, DNSSettings]>([
    ["ClusterFirst", {}, { servers: ["10.96.0.10"], searches: cluster, options: ["ndots:5"] }],
    ["Default", { dnsPolicy: "Default" }, input.node],
    ["None", { dnsPolicy: "None", dnsConfig: { nameservers: ["1.1.1.1"] } }, { servers: ["1.1.1.1"], searches: [], options: [] }],
    ["ClusterFirst in the host's network", { hostNetwork: true }, input.node],
    [
      "ClusterFirstWithHostNet",
      { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" },
      { servers: ["10.96.0.10"], searches: cluster, options: ["ndots:5"] },
    ],
    [
      "dnsConfig on top",
      { dnsConfig: { searches: ["more"], options: [{ name: "ndots", value: "2" }, { name: "edns0" }] } },
      { servers: ["10.96.0.10"], searches: [...cluster, "more"], options: ["ndots:2", "edns0"] },
    ],
  ])("%s", (_, spec, dns) => expect(podDNS(pod(spec), input).dns).toEqual(dns));

  it("falls back to the node's, and says so, without a cluster DNS", () => {
    const { dns, problem } = podDNS(pod({}), { ...input, clusterDNS: [] });
    expect(dns).toEqual(input.node);
    expect(problem).toContain('kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy.');
  });

  it("gives at most three servers and 32 search domains", () => {
    const many = Array.from({ length: 40 }, (_, position) => `d${position}`);
    const { dns } = podDNS(pod({ dnsConfig: { nameservers: ["1.1.1.1", "2.2.2.2", "3.3.3.3"], searches: many } }), input);
    expect([dns.servers.length, dns.searches.length]).toEqual([3, 32]);
  });

  it("reads and writes resolv.conf", () => {
    const text = "search a.example b.example\nnameserver 1.1.1.1\nnameserver ::1\noptions ndots:5\n";
    expect(formatResolvConf(parseResolvConf(text))).toBe(text);
    expect(parseResolvConf("# none\n;\nsearch a. .\n").searches).toEqual(["a", "."]);
  });
});

describe("host names", () => {
  it.each([
    ["the pod's name", pod({}), "web", ""],
    ["hostname and subdomain", pod({ hostname: "h", subdomain: "s" }), "h", "s.shop.svc.cluster.local"],
    ["at most 63 characters, not ending in a dash", pod({}, { name: `${"a".repeat(62)}-b`, namespace: "shop" }), "a".repeat(62), ""],
  ])("%s", (_, wanted, hostname, domain) => expect(podHostname(wanted, "cluster.local")).toEqual({ hostname, domain }));

  it("is the full name where the pod wants that", () => {
    expect(kernelHostname(pod({ hostname: "h", subdomain: "s", setHostnameAsFQDN: true }), "cluster.local")).toBe(
      "h.s.shop.svc.cluster.local",
    );
  });
});

describe("hosts files", () => {
  it("have the pod's addresses and aliases", () => {
    const text = hostsFile(["10.0.0.1"], { hostname: "h", domain: "s.shop.svc.cluster.local" }, [{ ip: "1.2.3.4", hostnames: ["x", "y"] }]);
    expect(text.startsWith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")).toBe(true);
    expect(text).toContain("\n10.0.0.1\th.s.shop.svc.cluster.local\th\n");
    expect(text.endsWith("\n# Entries added by HostAliases.\n1.2.3.4\tx\ty\n")).toBe(true);
  });
  it("of the host's network are the node's", () => {
    expect(hostNetworkHostsFile("127.0.0.1 localhost\n", [])).toBe(
      "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n",
    );
  });
});
