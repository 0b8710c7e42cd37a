import type { corev1 } from "@lenj/proto/k8s";
import { MemoryReader } from "../testing/memory-reader.js";
import { NodeAuthorizer } from "./node-authorizer.js";
import type { AuthorizerAttributes, KubeObject } from "./ports.js";

const core = (resource: string): { group: string; resource: string } => ({ group: "", resource });
const node = { username: "system:node:n1", groups: ["system:nodes", "system:authenticated"] };

/** "verb group/resource[/subresource] [namespace/]name [selector]", "-" for no name. */
function question(text: string, user = node): AuthorizerAttributes {
  const [verb = "", path = "", object = "-", fieldSelector] = text.split(" ");
  const [apiGroup = "", resource = "", subresource = ""] = path.split("/");
  const slash = object.indexOf("/");
  const namespace = slash === -1 ? "" : object.slice(0, slash);
  const name = object.slice(slash + 1);
  return {
    user,
    verb,
    isResourceRequest: true,
    apiGroup,
    apiVersion: "v1",
    resource,
    subresource,
    namespace,
    name: name === "-" ? "" : name,
    path: "",
    fieldSelector,
  };
}

function pod(name: string, nodeName: string, spec: Partial<corev1.PodSpec> = {}, annotations: Record<string, string> = {}): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "ns", name, uid: `uid-${name}`, annotations },
    spec: { nodeName, serviceAccountName: `sa-${name}`, containers: [], ...spec },
  } as KubeObject;
}

const rich: Partial<corev1.PodSpec> = {
  imagePullSecrets: [{ name: "pull" }],
  initContainers: [{ name: "i", envFrom: [{ secretRef: { name: "init-env" } }] }],
  containers: [
    {
      name: "c",
      env: [
        { name: "A", valueFrom: { secretKeyRef: { name: "key-secret", key: "k" } } },
        { name: "B", valueFrom: { configMapKeyRef: { name: "key-config", key: "k" } } },
      ],
      envFrom: [{ configMapRef: { name: "env-config" } }],
    },
  ],
  ephemeralContainers: [{ name: "e", envFrom: [{ secretRef: { name: "debug" } }] }],
  volumes: [
    { name: "s", secret: { secretName: "volume-secret" } },
    { name: "m", configMap: { name: "volume-config" } },
    { name: "p", projected: { sources: [{ secret: { name: "projected-secret" } }, { configMap: { name: "projected-config" } }] } },
    { name: "v", persistentVolumeClaim: { claimName: "claim" } },
    { name: "scratch", ephemeral: {} },
    { name: "csi", csi: { driver: "d", nodePublishSecretRef: { name: "csi-secret" } } },
  ],
};

function cluster(): { reader: MemoryReader; authorizer: NodeAuthorizer } {
  const reader = new MemoryReader();
  reader.put(
    core("pods"),
    pod("mine", "n1", rich),
    pod("other", "n2", { volumes: [{ name: "s", secret: { secretName: "secret-of-other" } }] }),
    pod("mirror", "n1", { volumes: [{ name: "s", secret: { secretName: "secret-of-mirror" } }] }, { "kubernetes.io/config.mirror": "x" }),
  );
  reader.put(core("persistentvolumes"), {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: "volume" },
    spec: {
      claimRef: { namespace: "ns", name: "claim" },
      csi: {
        driver: "d",
        volumeHandle: "h",
        nodeStageSecretRef: { namespace: "storage", name: "stage" },
        controllerPublishSecretRef: { namespace: "storage", name: "controller" },
      },
    },
  } as KubeObject);
  reader.put({ group: "storage.k8s.io", resource: "volumeattachments" }, {
    metadata: { name: "attachment" },
    spec: { nodeName: "n1" },
  } as KubeObject);
  reader.put({ group: "resource.k8s.io", resource: "resourceslices" }, {
    metadata: { name: "slice" },
    spec: { nodeName: "n1" },
  } as KubeObject);
  return { reader, authorizer: new NodeAuthorizer(reader) };
}

describe("NodeAuthorizer", () => {
  const unrelated = "no relationship found between node 'n1' and this object";

  it.each([
    ...["pull", "init-env", "key-secret", "debug", "volume-secret", "projected-secret", "csi-secret"].map(
      (name) => `get /secrets ns/${name}`,
    ),
    ...["key-config", "env-config", "volume-config", "projected-config"].map((name) => `get /configmaps ns/${name}`),
    "list /secrets ns/pull",
    "watch /configmaps ns/volume-config",
    "get /secrets storage/stage",
    "get /persistentvolumeclaims ns/claim",
    "get /persistentvolumeclaims ns/mine-scratch",
    "patch /persistentvolumeclaims/status ns/claim",
    "get /persistentvolumes volume",
    "get storage.k8s.io/volumeattachments attachment",
    "get /serviceaccounts ns/sa-mine",
    "create /serviceaccounts/token ns/sa-mine",
    "get /nodes n1",
    "list /nodes n1 metadata.name=n1",
    "create /nodes -",
    "patch /nodes/status n1",
    "get /pods ns/mine",
    "get /pods ns/mirror",
    "watch /pods ns/mine metadata.name=mine",
    "list /pods - spec.nodeName=n1",
    "watch /pods ns/- spec.nodeName=n1,status.phase!=Failed",
    "delete /pods ns/other",
    "create /pods ns/-",
    "patch /pods/status ns/mine",
    "create /pods/eviction ns/mine",
    "get coordination.k8s.io/leases kube-node-lease/n1",
    "create coordination.k8s.io/leases kube-node-lease/-",
    "delete coordination.k8s.io/leases kube-node-lease/n1",
    "get storage.k8s.io/csinodes n1",
    "create storage.k8s.io/csinodes -",
    "create resource.k8s.io/resourceslices -",
    "update resource.k8s.io/resourceslices slice",
    "deletecollection resource.k8s.io/resourceslices - spec.nodeName=n1",
    "list /services -",
    "create /events ns/-",
    "create authentication.k8s.io/tokenreviews -",
    "list storage.k8s.io/csidrivers -",
    "get node.k8s.io/runtimeclasses any",
  ])("allows %s", (text) => {
    expect(cluster().authorizer.authorize(question(text))).toEqual({ decision: "allow", reason: "" });
  });

  it.each([
    ["get /secrets ns/secret-of-other", unrelated],
    ["get /secrets ns/secret-of-mirror", unrelated],
    ["get /secrets elsewhere/pull", unrelated],
    ["get /secrets storage/controller", unrelated],
    ["list /secrets ns/-", "No Object name found"],
    ["list /configmaps -", "can only read namespaced object of this type"],
    ["update /secrets ns/pull", "can only read resources of this type"],
    ["get /secrets/status ns/pull", "cannot read subresource"],
    ["list /persistentvolumeclaims ns/claim", "can only get individual resources of this type"],
    ["get /persistentvolumeclaims/status ns/claim", "can only get/update/patch this type"],
    ["update /persistentvolumeclaims/status ns/unknown", unrelated],
    ["get /persistentvolumes/status volume", "cannot get subresource"],
    ["get /persistentvolumes unknown", unrelated],
    ["get storage.k8s.io/volumeattachments other", unrelated],
    ["get /serviceaccounts ns/sa-other", unrelated],
    ["get /serviceaccounts ns/sa-mirror", unrelated],
    ["create /serviceaccounts/token ns/sa-other", unrelated],
    ["create /serviceaccounts ns/-", "can only create tokens for individual service accounts"],
    ["create /serviceaccounts/other ns/sa-mine", "can only create token subresource of serviceaccount"],
    ["list /nodes -", "node 'n1' cannot read all nodes, only its own Node object"],
    ["get /nodes n2", "node 'n1' cannot read 'n2', only its own Node object"],
    ["delete /nodes n1", ""],
    ["get /nodes/proxy n1", ""],
    ["list /pods -", "can only list/watch pods with spec.nodeName field selector"],
    ["list /pods - spec.nodeName!=n1", "can only list/watch pods with spec.nodeName field selector"],
    ["watch /pods - spec.nodeName=n2", "can only list/watch pods with spec.nodeName field selector"],
    ["list /pods - =", "can only list/watch pods with spec.nodeName field selector"],
    ["get /pods ns/other", unrelated],
    ["list /pods ns/other metadata.name=other", unrelated],
    ["update /pods ns/mine", ""],
    ["get /pods/exec ns/mine", ""],
    ["list coordination.k8s.io/leases kube-node-lease/-", "can only get, create, update, patch, or delete a node lease"],
    ["get coordination.k8s.io/leases default/n1", 'can only access leases in the "kube-node-lease" system namespace'],
    ["update coordination.k8s.io/leases kube-node-lease/n2", "can only access node lease with the same name as the requesting node"],
    ["get storage.k8s.io/csinodes n2", "can only access CSINode with the same name as the requesting node"],
    ["list storage.k8s.io/csinodes -", "can only get, create, update, patch, or delete a CSINode"],
    ["get storage.k8s.io/csinodes/status n1", "cannot authorize CSINode subresources"],
    ["get resource.k8s.io/resourceslices other", unrelated],
    ["list resource.k8s.io/resourceslices -", "can only list/watch/deletecollection resourceslices with nodeName field selector"],
    ["get resource.k8s.io/resourceslices/status slice", "cannot authorize ResourceSlice subresources"],
    ["list apps/deployments -", ""],
    ["create /namespaces -", ""],
  ])("has no opinion on %s", (text, reason) => {
    expect(cluster().authorizer.authorize(question(text))).toEqual({ decision: "noOpinion", reason });
  });

  it("knows no node behind other users, nor behind a user of nodes without a name", () => {
    const { authorizer } = cluster();
    const stranger = { username: "system:node:n1", groups: ["system:authenticated"] };
    expect(authorizer.authorize(question("get /nodes n1", stranger))).toEqual({ decision: "noOpinion", reason: "" });
    expect(authorizer.authorize(question("get /nodes n1", { ...node, username: "system:node:" }))).toEqual({
      decision: "noOpinion",
      reason: 'unknown node for user "system:node:"',
    });
  });

  it("follows pods and volumes as they come and go", () => {
    const { reader, authorizer } = cluster();
    const may = (text: string): boolean => authorizer.authorize(question(text)).decision === "allow";
    reader.put(core("pods"), pod("second", "n1", { imagePullSecrets: [{ name: "pull" }] }));
    reader.remove(core("pods"), "ns", "mine");
    expect([may("get /secrets ns/pull"), may("get /secrets ns/volume-secret"), may("get /persistentvolumes volume")]).toEqual([
      true,
      false,
      false,
    ]);
    expect(may("get /secrets storage/stage")).toBe(false);
    reader.remove(core("pods"), "ns", "second");
    expect(may("get /secrets ns/pull")).toBe(false);
    reader.put(core("pods"), pod("unbound", "", rich));
    expect(may("get /secrets ns/pull")).toBe(false);
    reader.put(core("pods"), pod("unbound", "n1", rich));
    expect([may("get /secrets ns/pull"), may("get /secrets storage/stage")]).toEqual([true, true]);
    reader.remove(core("persistentvolumes"), undefined, "volume");
    expect([may("get /persistentvolumes volume"), may("get /secrets storage/stage")]).toEqual([false, false]);
  });

  it("says that its rules cannot be listed", () => {
    const { authorizer } = cluster();
    expect(authorizer.rulesFor(node)).toMatchObject({
      incomplete: true,
      evaluationError: "node authorizer does not support user rule resolution",
    });
    expect(authorizer.rulesFor({ username: "bob", groups: [] })).toEqual({ resourceRules: [], nonResourceRules: [], incomplete: false });
  });
});
