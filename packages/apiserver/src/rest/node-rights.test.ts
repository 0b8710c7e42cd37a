// What a node gets through the whole front: authoriser, admission and handlers together.
import { builtinResources } from "@lenj/api";
import { nodeRestriction } from "../admission/node-restriction.js";
import type { AdmissionAttributes, AdmissionPlugin } from "../admission/ports.js";
import { NodeAuthorizer } from "../auth/node-authorizer.js";
import { TestFront } from "../testing/test-front.js";
import { startTestMachine, type TestMachine } from "../testing/test-machine.js";

const pods = "/api/v1/namespaces/default/pods";
const pod = (name: string, nodeName: string): object => ({
  metadata: { name },
  spec: { nodeName, containers: [{ name: "c", image: "i" }] },
});
const evict = (name: string): object => ({ apiVersion: "policy/v1", kind: "Eviction", metadata: { name } });

let test: TestMachine;
let node: TestFront;
let authorizer: NodeAuthorizer;

beforeEach(async () => {
  let restriction: AdmissionPlugin | undefined;
  const late = { name: "NodeRestriction", handles: () => true, admit: (write: AdmissionAttributes) => restriction?.admit?.(write) };
  test = await startTestMachine({ declarations: builtinResources, plugins: [late] });
  const { reader } = test;
  restriction = nodeRestriction({ reader, enabled: [], disabled: [], tolerationSeconds: { notReady: 300, unreachable: 300 } });
  authorizer = new NodeAuthorizer(reader);
  node = new TestFront(test, authorizer, { username: "system:node:node01", groups: ["system:nodes", "system:authenticated"] });
  const admin = new TestFront(test);
  await admin.request("POST", pods, { body: pod("own", "node01") });
  await admin.request("POST", pods, { body: pod("foreign", "node02") });
  await admin.request("POST", "/api/v1/nodes", { body: { metadata: { name: "node02" } } });
  await test.caughtUp();
});
afterEach(async () => {
  authorizer.close();
  await test.close();
});

const ask = async (method: string, url: string, body?: object): Promise<[number, string | undefined]> => {
  const headers = method === "PATCH" ? { "content-type": "application/strategic-merge-patch+json" } : {};
  const { code, document } = await node.request(method, url, body === undefined ? {} : { body, headers });
  return [code, (document as { message?: string } | undefined)?.message];
};

describe("a node", () => {
  it("reads its own pods, by name or by selector, and no others", async () => {
    expect(await ask("GET", pods)).toEqual([
      403,
      'pods is forbidden: User "system:node:node01" cannot list resource "pods" in API group "" in the namespace "default": can only list/watch pods with spec.nodeName field selector',
    ]);
    expect(await ask("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode01")).toEqual([200, undefined]);
    expect((await ask("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode02"))[0]).toBe(403);
    expect([(await ask("GET", `${pods}/own`))[0], (await ask("GET", `${pods}/foreign`))[0]]).toEqual([200, 403]);
  });

  it("reads no other node, and changes none", async () => {
    expect(await ask("GET", "/api/v1/nodes")).toEqual([
      403,
      `nodes is forbidden: User "system:node:node01" cannot list resource "nodes" in API group "" at the cluster scope: node 'node01' cannot read all nodes, only its own Node object`,
    ]);
    expect((await ask("PATCH", "/api/v1/nodes/node02/status", { status: { conditions: [] } }))[1]).toBe(
      'nodes "node02" is forbidden: node "node01" is not allowed to modify node "node02"',
    );
    expect((await ask("POST", "/api/v1/nodes", { metadata: { name: "node01" } }))[0]).toBe(201);
  });

  it("evicts and deletes its own pods, and no others", async () => {
    expect((await ask("POST", `${pods}/foreign/eviction`, evict("foreign")))[1]).toBe(
      'pods "foreign" is forbidden: node node01 can only evict pods with spec.nodeName set to itself',
    );
    expect((await ask("DELETE", `${pods}/foreign`))[1]).toBe(
      'pods "foreign" is forbidden: node "node01" can only delete pods with spec.nodeName set to itself',
    );
    expect((await ask("POST", `${pods}/own/eviction`, evict("own")))[0]).toBe(201);
    expect((await ask("POST", `${pods}/own/binding`, { metadata: { name: "own" }, target: { kind: "Node", name: "node01" } }))[0]).toBe(
      403,
    );
  });
});
