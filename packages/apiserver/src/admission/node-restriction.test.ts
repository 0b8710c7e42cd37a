import "reflect-metadata";
import { webcrypto } from "node:crypto";
import type { corev1 } from "@lenj/proto/k8s";
import * as x509 from "@peculiar/x509";
import type { Authorizer } from "../auth/ports.js";
import { testWrite, type WriteFacts } from "../testing/admission-write.js";
import { MemoryReader } from "../testing/memory-reader.js";
import { nodeRestriction } from "./node-restriction.js";

const user = { username: "system:node:n1", groups: ["system:nodes", "system:authenticated"] };
const mirrorAnnotations = { "kubernetes.io/config.mirror": "hash" };
const owner = { apiVersion: "v1", kind: "Node", name: "n1", uid: "node-uid", controller: true };

function pod(metadata: corev1.Pod["metadata"], spec: Partial<corev1.PodSpec> = {}, status: corev1.PodStatus = {}): object {
  return {
    kind: "Pod",
    metadata: { namespace: "ns", name: "p", uid: "pod-uid", ...metadata },
    spec: { nodeName: "n1", containers: [], ...spec },
    status,
  };
}

function mirror(metadata: corev1.Pod["metadata"] = {}, spec: Partial<corev1.PodSpec> = {}): object {
  return pod({ annotations: mirrorAnnotations, ownerReferences: [owner], ...metadata }, spec);
}

function node(name: string, labels: Record<string, string> = {}, spec: object = {}): object {
  return { kind: "Node", metadata: { name, uid: "node-uid", labels }, spec };
}

function claim(about: { labels?: Record<string, string>; status?: object }): object {
  return { kind: "PersistentVolumeClaim", metadata: { namespace: "ns", name: "c", labels: about.labels }, spec: {}, status: about.status };
}

function tokenRequest(bound: object | undefined, audiences: string[] = []): object {
  return { kind: "TokenRequest", metadata: {}, spec: { audiences, ...(bound !== undefined && { boundObjectRef: bound }) } };
}

const ownPod = { apiVersion: "v1", kind: "Pod", name: "p", uid: "pod-uid" };
const tokenVolume = (audience?: string): corev1.Volume => ({
  name: "t",
  projected: { sources: [{ serviceAccountToken: { path: "token", audience } }] },
});

function plugin(authorizer?: Authorizer): { admit(facts: WriteFacts): Promise<void> } {
  const reader = new MemoryReader();
  reader.put({ group: "", resource: "nodes" }, node("n1"));
  reader.put(
    { group: "", resource: "pods" },
    pod({}, { volumes: [tokenVolume(), tokenVolume("vault"), { name: "v", persistentVolumeClaim: { claimName: "c" } }] }),
    pod({ name: "far", uid: "far-uid" }, { nodeName: "n2" }),
  );
  reader.put({ group: "", resource: "persistentvolumeclaims" }, {
    metadata: { namespace: "ns", name: "c" },
    spec: { volumeName: "v" },
  } as object);
  reader.put({ group: "", resource: "persistentvolumes" }, { metadata: { name: "v" }, spec: { csi: { driver: "d" } } } as object);
  reader.put({ group: "storage.k8s.io", resource: "csidrivers" }, {
    metadata: { name: "d" },
    spec: { tokenRequests: [{ audience: "store" }] },
  } as object);
  const { admit } = nodeRestriction({
    reader,
    authorizer,
    enabled: [],
    disabled: [],
    tolerationSeconds: { notReady: 300, unreachable: 300 },
  });
  return { admit: async (facts) => admit?.(testWrite({ user, namespace: "ns", ...facts })) };
}

const allowed: [string, WriteFacts][] = [
  ["a mirror pod of its own", { of: "/pods", object: mirror() }],
  ["deleting a pod of its own", { operation: "DELETE", of: "/pods", name: "p", old: pod({}) }],
  ["the status of its pod", { operation: "UPDATE", of: "/pods/status", object: pod({}, {}, { phase: "Running" }), old: pod({}) }],
  ["evicting its pod", { of: "/pods/eviction", name: "p", object: { kind: "Eviction", metadata: { name: "p" } } }],
  [
    "its Node",
    { of: "/nodes", namespace: "", object: node("n1", { "kubernetes.io/hostname": "h", "node.kubernetes.io/x": "y", team: "a" }) },
  ],
  ["its Node's status", { operation: "UPDATE", of: "/nodes/status", namespace: "", object: node("n1", { team: "a" }), old: node("n1") }],
  [
    "what it reports on a claim",
    {
      operation: "UPDATE",
      of: "/persistentvolumeclaims/status",
      object: claim({ status: { capacity: { storage: "1Gi" }, conditions: [] } }),
      old: claim({}),
    },
  ],
  ["a token for its pod", { of: "/serviceaccounts/token", name: "sa", object: tokenRequest(ownPod) }],
  ["a token for an audience of a volume", { of: "/serviceaccounts/token", name: "sa", object: tokenRequest(ownPod, ["vault"]) }],
  ["a token for an audience of a volume's driver", { of: "/serviceaccounts/token", name: "sa", object: tokenRequest(ownPod, ["store"]) }],
  ["its Lease", { of: "coordination.k8s.io/leases", namespace: "kube-node-lease", object: { metadata: { name: "n1" } } }],
  ["its CSINode", { operation: "UPDATE", of: "storage.k8s.io/csinodes", namespace: "", object: { metadata: { name: "n1" } } }],
  [
    "its resource slice",
    { of: "resource.k8s.io/resourceslices", namespace: "", object: { metadata: { name: "s" }, spec: { nodeName: "n1" } } },
  ],
  ["an event", { of: "/events", object: { metadata: { name: "e" } } }],
  ["anything of somebody who is no node", { of: "/nodes", namespace: "", object: node("n2"), user: { username: "bob", groups: [] } }],
];

const refused: [text: string, facts: WriteFacts][] = [
  ['could not determine node from user "system:node:"', { of: "/events", object: {}, user: { ...user, username: "system:node:" } }],
  ['pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods', { of: "/pods", object: pod({}) }],
  ['node "n1" can only create pods with spec.nodeName set to itself', { of: "/pods", object: mirror({}, { nodeName: "n2" }) }],
  ['node "n1" can only create pods with an owner reference set to itself', { of: "/pods", object: mirror({ ownerReferences: [] }) }],
  [
    'node "n1" can only create pods with a single owner reference set to itself',
    { of: "/pods", object: mirror({ ownerReferences: [owner, owner] }) },
  ],
  [
    'node "n1" can only create pods with an owner reference set to itself',
    { of: "/pods", object: mirror({ ownerReferences: [{ ...owner, name: "n2" }] }) },
  ],
  [
    'node "n1" can only create pods with a controller owner reference set to itself',
    { of: "/pods", object: mirror({ ownerReferences: [{ ...owner, controller: false }] }) },
  ],
  [
    'node "n1" must not set blockOwnerDeletion on an owner reference',
    { of: "/pods", object: mirror({ ownerReferences: [{ ...owner, blockOwnerDeletion: true }] }) },
  ],
  ["node n1 UID mismatch: expected old got node-uid", { of: "/pods", object: mirror({ ownerReferences: [{ ...owner, uid: "old" }] }) }],
  ['node "n1" can not create pods that reference serviceaccounts', { of: "/pods", object: mirror({}, { serviceAccountName: "sa" }) }],
  ['node "n1" can not create pods that reference secrets', { of: "/pods", object: mirror({}, { imagePullSecrets: [{ name: "s" }] }) }],
  [
    'node "n1" can not create pods that reference configmaps',
    { of: "/pods", object: mirror({}, { volumes: [{ name: "m", configMap: { name: "m" } }] }) },
  ],
  ['node "n1" can not create pods that reference resourceclaims', { of: "/pods", object: mirror({}, { resourceClaims: [{ name: "r" }] }) }],
  [
    'node "n1" can not create pods that reference persistentvolumeclaims',
    { of: "/pods", object: mirror({}, { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "c" } }] }) },
  ],
  ['node "n1" can not create pods that reference serviceaccounts', { of: "/pods", object: mirror({}, { volumes: [tokenVolume()] }) }],
  [
    'unexpected operation "UPDATE", node "n1" can only create and delete mirror pods',
    { operation: "UPDATE", of: "/pods", object: pod({}), old: pod({}) },
  ],
  ['node "n1" can only delete pods with spec.nodeName set to itself', { operation: "DELETE", of: "/pods", name: "far" }],
  [
    'node "n1" can only update pod status for pods with spec.nodeName set to itself',
    { operation: "UPDATE", of: "/pods/status", object: pod({}), old: pod({}, { nodeName: "n2" }) },
  ],
  [
    'node "n1" cannot update labels through pod status',
    { operation: "UPDATE", of: "/pods/status", object: pod({ labels: { a: "b" } }), old: pod({}) },
  ],
  [
    'node "n1" cannot update resource claim statues',
    {
      operation: "UPDATE",
      of: "/pods/status",
      object: pod({}, {}, { resourceClaimStatuses: [{ name: "c", resourceClaimName: "stolen" }] }),
      old: pod({}),
    },
  ],
  ["node n1 can only evict pods with spec.nodeName set to itself", { of: "/pods/eviction", name: "far", object: {} }],
  ["unexpected pod subresource \"binding\", only 'status' and 'eviction' are allowed", { of: "/pods/binding", name: "p", object: {} }],
  [
    'node "n1" is not allowed to modify node "n2"',
    { operation: "UPDATE", of: "/nodes/status", namespace: "", object: node("n2"), old: node("n2") },
  ],
  [
    'node "n1" is not allowed to set the following labels: a.node-restriction.kubernetes.io/b, node-role.kubernetes.io/control-plane',
    {
      of: "/nodes",
      namespace: "",
      object: node("n1", {
        "node-role.kubernetes.io/control-plane": "",
        "a.node-restriction.kubernetes.io/b": "c",
        "topology.kubernetes.io/zone": "z",
      }),
    },
  ],
  [
    "is not allowed to modify labels: k8s.io/x, node-restriction.kubernetes.io/y",
    {
      operation: "UPDATE",
      of: "/nodes",
      namespace: "",
      object: node("n1", { "k8s.io/x": "new" }),
      old: node("n1", { "k8s.io/x": "old", "node-restriction.kubernetes.io/y": "z" }),
    },
  ],
  [
    'node "n1" is not allowed to modify taints',
    {
      operation: "UPDATE",
      of: "/nodes",
      namespace: "",
      object: node("n1"),
      old: node("n1", {}, { taints: [{ key: "k", effect: "NoSchedule" }] }),
    },
  ],
  [
    'node "n1" is not allowed to create pods with a non-nil configSource',
    { of: "/nodes", namespace: "", object: node("n1", {}, { configSource: {} }) },
  ],
  ["may only update PVC status", { operation: "UPDATE", of: "/persistentvolumeclaims", object: claim({}), old: claim({}) }],
  [
    'node "n1" is not allowed to update fields other than status.quantity and status.conditions',
    { operation: "UPDATE", of: "/persistentvolumeclaims/status", object: claim({ labels: { a: "b" } }), old: claim({}) },
  ],
  ["node requested token not bound to a pod", { of: "/serviceaccounts/token", name: "sa", object: tokenRequest(undefined) }],
  [
    "node requested token not bound to a pod",
    { of: "/serviceaccounts/token", name: "sa", object: tokenRequest({ ...ownPod, kind: "Secret" }) },
  ],
  [
    "node requested token with a pod binding without a uid",
    { of: "/serviceaccounts/token", name: "sa", object: tokenRequest({ ...ownPod, uid: undefined }) },
  ],
  [
    "the UID in the bound object reference (old) does not match the UID in record. The object might have been deleted and then recreated",
    { of: "/serviceaccounts/token", name: "sa", object: tokenRequest({ ...ownPod, uid: "old" }) },
  ],
  [
    "node requested token bound to a pod scheduled on a different node",
    { of: "/serviceaccounts/token", name: "sa", object: tokenRequest({ ...ownPod, name: "far", uid: "far-uid" }) },
  ],
  ["node may only request 0 or 1 audiences", { of: "/serviceaccounts/token", name: "sa", object: tokenRequest(ownPod, ["a", "b"]) }],
  [
    'audience "a" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience',
    { of: "/serviceaccounts/token", name: "sa", object: tokenRequest(ownPod, ["a"]) },
  ],
  [
    'can only access leases in the "kube-node-lease" system namespace',
    { of: "coordination.k8s.io/leases", object: { metadata: { name: "n1" } } },
  ],
  [
    "can only access node lease with the same name as the requesting node",
    { of: "coordination.k8s.io/leases", namespace: "kube-node-lease", object: { metadata: { name: "n2" } } },
  ],
  [
    "can only access CSINode with the same name as the requesting node",
    { of: "storage.k8s.io/csinodes", namespace: "", object: { metadata: { name: "n2" } } },
  ],
  [
    "can only create ResourceSlice with the same NodeName as the requesting node",
    { of: "resource.k8s.io/resourceslices", namespace: "", object: { metadata: { name: "s" }, spec: { nodeName: "n2" } } },
  ],
  [
    "can only delete ResourceSlice with the same NodeName as the requesting node",
    { operation: "DELETE", of: "resource.k8s.io/resourceslices", namespace: "", name: "s", old: { metadata: { name: "s" }, spec: {} } },
  ],
];

describe("NodeRestriction", () => {
  it.each(allowed)("lets a node write %s", async (_what, facts) => {
    await expect(plugin().admit(facts)).resolves.toBeUndefined();
  });

  it.each(refused)("refuses: %s", async (text, facts) => {
    await expect(plugin().admit(facts)).rejects.toMatchObject({
      status: { reason: "Forbidden", code: 403, message: expect.stringMatching(new RegExp(`(is forbidden|forbidden): ${escape(text)}$`)) },
    });
  });

  it("answers NotFound for pods that are not there", async () => {
    const missing: WriteFacts[] = [
      { operation: "DELETE", of: "/pods", name: "gone" },
      { of: "/pods/eviction", name: "gone", object: {} },
      { of: "/serviceaccounts/token", name: "sa", object: tokenRequest({ ...ownPod, name: "gone" }) },
    ];
    for (const facts of missing) await expect(plugin().admit(facts)).rejects.toMatchObject({ status: { reason: "NotFound" } });
  });

  it("lets a node ask for further audiences where it has the right to", async () => {
    const asked: string[] = [];
    const authorizer: Authorizer = {
      authorize: ({ verb, resource, namespace, name }) => {
        asked.push(`${verb} ${resource} ${namespace}/${name}`);
        return { decision: "allow", reason: "" };
      },
    };
    await plugin(authorizer).admit({ of: "/serviceaccounts/token", name: "sa", object: tokenRequest(ownPod, ["a"]) });
    expect(asked).toEqual(["request-serviceaccounts-token-audience a ns/sa"]);
  });

  it("lets a node ask for certificates in its own name only", async () => {
    const keys = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const request = async (name: string, signerName = "kubernetes.io/kubelet-serving"): Promise<WriteFacts> => {
      const csr = await x509.Pkcs10CertificateRequestGenerator.create(
        { name, keys, signingAlgorithm: { name: "ECDSA", hash: "SHA-256" } },
        webcrypto,
      );
      const spec = { signerName, request: Buffer.from(csr.toString("pem")).toString("base64") };
      return { of: "certificates.k8s.io/certificatesigningrequests", namespace: "", object: { metadata: { name: "csr" }, spec } };
    };
    await expect(plugin().admit(await request("CN=system:node:n1, O=system:nodes"))).resolves.toBeUndefined();
    await expect(plugin().admit(await request("CN=anything", "example.com/other"))).resolves.toBeUndefined();
    await expect(plugin().admit(await request("CN=system:node:n2, O=system:nodes"))).rejects.toThrow(
      "can only create a node CSR with CN=system:node:n1",
    );
  });
});

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
