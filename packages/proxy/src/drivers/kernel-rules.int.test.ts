// The compiled rules in a real kernel: a network namespace of the test's own whose loopback carries the endpoints' addresses.
import { spawnSync } from "node:child_process";
import { formatFullSync, formatIncrement, planRules } from "../core/rule-plan.js";
import type { ServicePort } from "../core/service-map.js";

const options = { clusterCIDR: "10.244.0.0/16", nodeIPs: ["10.200.1.1"] };

function port(overrides: Partial<ServicePort>): ServicePort {
  const endpoints = overrides.clusterEndpoints ?? [];
  return {
    name: "default/web",
    protocol: "tcp",
    port: 80,
    clusterIPs: ["10.96.0.7"],
    externalIPs: [],
    nodePort: undefined,
    affinitySeconds: undefined,
    internalLocal: false,
    externalLocal: false,
    clusterEndpoints: endpoints,
    localEndpoints: endpoints.filter((endpoint) => endpoint.isLocal),
    ...overrides,
  };
}

const two = ["10.244.1.2", "10.244.1.3"].map((ip) => ({ ip, port: 8080, isLocal: true }));

/** Runs scripts and a client inside a fresh namespace; the client's standard output as JSON. */
function inNamespace(scripts: readonly string[], client: string): unknown {
  const program = `
    const { createServer, connect } = require("node:net");
    const ask = (host, port) => new Promise((resolve) => {
      const socket = connect({ host, port, timeout: 2000 });
      let text = "";
      socket.on("data", (chunk) => { text += chunk; }).on("end", () => resolve(text)).on("error", (error) => resolve(error.code)).on("timeout", () => { socket.destroy(); resolve("TIMEOUT"); });
    });
    const servers = ${JSON.stringify(two.map(({ ip }) => ip))}.map((ip) => createServer((socket) => socket.end(ip)).listen(8080, ip));
    (async () => {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.once("listening", resolve))));
      console.log(JSON.stringify(await (${client})(ask)));
      process.exit(0);
    })();`;
  const setup = [
    "ip link set lo up",
    ...["10.200.1.1", ...two.map(({ ip }) => ip)].map((ip) => `ip addr add ${ip}/32 dev lo`),
    "ip route add 10.96.0.0/16 dev lo",
  ];
  const apply = scripts.map((_, position) => `printf %s "$SCRIPT_${position}" | nft -f -`);
  const result = spawnSync("unshare", ["--net", "sh", "-ec", [...setup, ...apply, 'exec "$NODE" -e "$PROGRAM"'].join("\n")], {
    encoding: "utf8",
    env: {
      ...process.env,
      NODE: process.execPath,
      PROGRAM: program,
      ...Object.fromEntries(scripts.map((script, position) => [`SCRIPT_${position}`, script])),
    },
  });
  if (result.status !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout);
}

const askMany = (host: string, portNumber: number, count: number): string =>
  `async (ask) => { const answers = []; for (let n = 0; n < ${count}; n++) answers.push(await ask("${host}", ${portNumber})); return [...new Set(answers)].sort(); }`;

describe("rules in the kernel", () => {
  it("reach every endpoint of a service through its cluster IP", () => {
    const rules = planRules([port({ clusterEndpoints: two })], options);
    expect(inNamespace([formatFullSync(rules, options)], askMany("10.96.0.7", 80, 40))).toEqual(["10.244.1.2", "10.244.1.3"]);
  });

  it("follow an endpoint change by an increment", () => {
    const before = planRules([port({ clusterEndpoints: two })], options);
    const after = planRules([port({ clusterEndpoints: two.slice(1) })], options);
    expect(inNamespace([formatFullSync(before, options), formatIncrement(before, after)], askMany("10.96.0.7", 80, 20))).toEqual([
      "10.244.1.3",
    ]);
  });

  it("refuse connections to a service without endpoints at once", () => {
    expect(inNamespace([formatFullSync(planRules([port({})], options), options)], askMany("10.96.0.7", 80, 1))).toEqual(["ECONNREFUSED"]);
  });

  it("serve a node port on the node's address", () => {
    const rules = planRules([port({ clusterEndpoints: two, nodePort: 30_080 })], options);
    expect(inNamespace([formatFullSync(rules, options)], askMany("10.200.1.1", 30_080, 40))).toEqual(["10.244.1.2", "10.244.1.3"]);
  });

  it("keep a client with its endpoint under session affinity", () => {
    const rules = planRules([port({ clusterEndpoints: two, affinitySeconds: 60 })], options);
    expect(inNamespace([formatFullSync(rules, options)], askMany("10.96.0.7", 80, 20))).toHaveLength(1);
  });

  it("load external policies, affinity and every map at once, and unload them again", () => {
    const all = planRules(
      [
        port({ clusterEndpoints: two, externalLocal: true, nodePort: 30_081, externalIPs: ["192.0.2.1"], affinitySeconds: 10 }),
        port({ name: "default/dns", protocol: "udp", port: 53, clusterIPs: ["10.96.0.10"], clusterEndpoints: two }),
      ],
      options,
    );
    const none = planRules([], options);
    expect(
      inNamespace([formatFullSync(all, options), formatIncrement(all, none), formatIncrement(none, all)], askMany("10.96.0.7", 80, 1)),
    ).toHaveLength(1);
  });
});
