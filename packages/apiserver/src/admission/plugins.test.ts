import { newForbidden } from "@lenj/apimachinery";
import type { Clock } from "@lenj/base";
import type { corev1, rbacv1 } from "@lenj/proto/k8s";
import type { KubeObject } from "../auth/ports.js";
import { testWrite, type WriteFacts } from "../testing/admission-write.js";
import { MemoryReader } from "../testing/memory-reader.js";
import { defaultIngressClass, defaultStorageClass } from "./default-classes.js";
import { defaultTolerationSeconds } from "./default-toleration-seconds.js";
import { AdmissionChain, createAdmission } from "./index.js";
import { limitRanger } from "./limit-ranger.js";
import { namespaceLifecycle } from "./namespace-lifecycle.js";
import type { AdmissionDependencies, AdmissionPlugin } from "./ports.js";
import { priority } from "./priority.js";
import { rbacEscalation } from "./rbac-escalation.js";
import { serviceAccount } from "./service-account.js";
import { taintNodesByCondition } from "./taint-nodes-by-condition.js";

const core = (resource: string): { group: string; resource: string } => ({ group: "", resource });

function dependencies(reader = new MemoryReader()): AdmissionDependencies & { readonly reader: MemoryReader } {
  return { reader, enabled: [], disabled: [], tolerationSeconds: { notReady: 300, unreachable: 300 } };
}

async function admit(plugin: AdmissionPlugin, facts: WriteFacts): Promise<KubeObject | undefined> {
  const write = testWrite(facts);
  if (plugin.handles(write.operation)) await plugin.admit?.(write);
  return write.object;
}

async function validate(plugin: AdmissionPlugin, facts: WriteFacts): Promise<void> {
  const write = testWrite(facts);
  if (plugin.handles(write.operation)) await plugin.validate?.(write);
}

function pod(spec: Partial<corev1.PodSpec> = {}, annotations?: Record<string, string>): KubeObject & corev1.Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "ns", ...(annotations && { annotations }) },
    spec: { containers: [{ name: "c" }], ...spec },
  };
}

describe("NamespaceLifecycle", () => {
  const namespaces = (phase?: string): AdmissionDependencies => {
    const parts = dependencies();
    parts.reader.put(core("namespaces"), { metadata: { name: "ns" }, status: { phase: phase ?? "Active" } } as KubeObject);
    return parts;
  };

  it("lets objects into namespaces that are there, and any into none", async () => {
    const plugin = namespaceLifecycle(namespaces());
    await expect(admit(plugin, { of: "/pods", namespace: "ns", object: pod() })).resolves.toBeDefined();
    await expect(admit(plugin, { of: "/nodes", object: { metadata: { name: "n" } } })).resolves.toBeDefined();
    await expect(
      admit(plugin, { of: "authorization.k8s.io/localsubjectaccessreviews", namespace: "gone", object: {} }),
    ).resolves.toBeDefined();
  });

  it("asks the store about a namespace that the cache does not know", async () => {
    const parts = dependencies();
    parts.reader.putStoredOnly(core("namespaces"), { metadata: { name: "new" } } as KubeObject);
    await expect(admit(namespaceLifecycle(parts), { of: "/pods", namespace: "new", object: pod() })).resolves.toBeDefined();
  });

  it.each<[string, WriteFacts, string, string]>([
    ["Active", { of: "/pods", namespace: "gone", object: pod() }, "NotFound", 'namespaces "gone" not found'],
    [
      "Terminating",
      { of: "/pods", namespace: "ns", object: pod() },
      "Forbidden",
      'pods "p" is forbidden: unable to create new content in namespace ns because it is being terminated',
    ],
    [
      "Terminating",
      { of: "/serviceaccounts/token", namespace: "ns", name: "sa", object: {} },
      "Forbidden",
      'serviceaccounts "sa" is forbidden: unable to create new content in namespace ns because it is being terminated',
    ],
    [
      "Active",
      { operation: "DELETE", of: "/namespaces", namespace: "default", name: "default" },
      "Forbidden",
      'namespaces "default" is forbidden: this namespace may not be deleted',
    ],
  ])("in a namespace that is %s refuses %j with %s", async (phase, facts, reason, message) => {
    await expect(admit(namespaceLifecycle(namespaces(phase)), facts)).rejects.toMatchObject({ status: { reason, message } });
  });

  it("names the cause, by which clients know that waiting is in vain", async () => {
    await expect(
      admit(namespaceLifecycle(namespaces("Terminating")), { of: "/pods", namespace: "ns", object: pod() }),
    ).rejects.toMatchObject({
      status: {
        details: { causes: [{ reason: "NamespaceTerminating", message: "namespace ns is being terminated", field: "metadata.namespace" }] },
      },
    });
  });

  it("lets a namespace that ends be emptied", async () => {
    const plugin = namespaceLifecycle(namespaces("Terminating"));
    await expect(admit(plugin, { operation: "UPDATE", of: "/pods", namespace: "ns", object: pod(), old: pod() })).resolves.toBeDefined();
    await expect(admit(plugin, { operation: "DELETE", of: "/pods", namespace: "ns", old: pod() })).resolves.toBeUndefined();
  });
});

describe("LimitRanger", () => {
  const ranged = (...limits: corev1.LimitRangeItem[]): AdmissionPlugin => {
    const parts = dependencies();
    parts.reader.put(core("limitranges"), { metadata: { namespace: "ns", name: "r" }, spec: { limits } } as KubeObject);
    return limitRanger(parts);
  };
  const container = (resources?: corev1.ResourceRequirements): KubeObject =>
    pod({ containers: [{ name: "c", ...(resources && { resources }) }] });

  it("fills in defaults, a container's own limit before the default request", async () => {
    const plugin = ranged({ type: "Container", default: { cpu: "1", memory: "1Gi" }, defaultRequest: { cpu: "100m" } });
    const filled = (await admit(plugin, { of: "/pods", namespace: "ns", object: container({ limits: { cpu: "500m" } }) })) as corev1.Pod;
    expect(filled.spec?.containers?.[0]?.resources).toEqual({
      limits: { cpu: "500m", memory: "1Gi" },
      requests: { cpu: "500m" },
    });
    const other = (await admit(plugin, { of: "/pods", namespace: "other", object: container() })) as corev1.Pod;
    expect(other.spec?.containers?.[0]?.resources).toBeUndefined();
  });

  it.each<[corev1.LimitRangeItem, corev1.ResourceRequirements, string]>([
    [
      { type: "Container", min: { cpu: "100m" } },
      { requests: { cpu: "50m" } },
      "minimum cpu usage per Container is 100m, but request is 50m",
    ],
    [{ type: "Container", min: { cpu: "100m" } }, {}, "minimum cpu usage per Container is 100m.  No request is specified"],
    [
      { type: "Container", max: { memory: "1Gi" } },
      { limits: { memory: "2Gi" } },
      "maximum memory usage per Container is 1Gi, but limit is 2Gi",
    ],
    [{ type: "Container", max: { memory: "1Gi" } }, {}, "maximum memory usage per Container is 1Gi.  No limit is specified"],
  ])("by %j refuses %j", async (item, resources, text) => {
    await expect(validate(ranged(item), { of: "/pods", namespace: "ns", object: container(resources) })).rejects.toMatchObject({
      status: { reason: "Forbidden", message: `pods "p" is forbidden: ${text}` },
    });
  });

  it("lists all problems in brackets", async () => {
    const plugin = ranged({ type: "Container", min: { cpu: "1" }, max: { cpu: "2" } });
    await expect(validate(plugin, { of: "/pods", namespace: "ns", object: container() })).rejects.toThrow(
      "[minimum cpu usage per Container is 1.  No request is specified, maximum cpu usage per Container is 2.  No limit is specified]",
    );
  });
});

describe("ServiceAccount", () => {
  const withAccount = (account: object = {}): AdmissionPlugin => {
    const parts = dependencies();
    parts.reader.put(core("serviceaccounts"), { metadata: { namespace: "ns", name: "default" }, ...account } as KubeObject);
    return serviceAccount(parts);
  };

  it("gives a pod its account, the account's token in every container, and its pull secrets", async () => {
    const plugin = withAccount({ imagePullSecrets: [{ name: "pull" }] });
    const { spec } = (await admit(plugin, {
      of: "/pods",
      namespace: "ns",
      object: pod({ initContainers: [{ name: "i" }] }),
    })) as corev1.Pod;
    const volume = spec?.volumes?.[0]?.name;
    expect(volume).toMatch(/^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    const mount = [{ name: volume, readOnly: true, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }];
    expect([spec?.containers?.[0]?.volumeMounts, spec?.initContainers?.[0]?.volumeMounts]).toEqual([mount, mount]);
    expect(spec?.volumes?.[0]?.projected?.sources).toEqual([
      { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }] } },
    ]);
    expect([spec?.serviceAccountName, spec?.imagePullSecrets]).toEqual(["default", [{ name: "pull" }]]);
  });

  it.each([
    [{ automountServiceAccountToken: false }, {}, 0],
    [{ automountServiceAccountToken: false }, { automountServiceAccountToken: true }, 1],
    [{}, { automountServiceAccountToken: false }, 0],
    [{}, { containers: [{ name: "c", volumeMounts: [{ name: "own", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }] }] }, 0],
  ])("with account %j and pod %j mounts %d tokens", async (account, spec, count) => {
    const admitted = (await admit(withAccount(account), { of: "/pods", namespace: "ns", object: pod(spec) })) as corev1.Pod;
    expect(admitted.spec?.volumes ?? []).toHaveLength(count);
  });

  it.each([
    [pod({ serviceAccountName: "x" }), 'pods "p" is forbidden: error looking up service account ns/x: serviceaccount "x" not found'],
    [
      pod({ serviceAccountName: "x" }, { "kubernetes.io/config.mirror": "h" }),
      'pods "p" is forbidden: a mirror pod may not reference service accounts',
    ],
    [
      pod({ volumes: [{ name: "s", secret: { secretName: "s" } }] }, { "kubernetes.io/config.mirror": "h" }),
      'pods "p" is forbidden: a mirror pod may not reference secrets',
    ],
    [
      pod(
        { volumes: [{ name: "s", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } }] },
        { "kubernetes.io/config.mirror": "h" },
      ),
      'pods "p" is forbidden: a mirror pod may not use ServiceAccountToken volume projections',
    ],
  ])("refuses %j", async (object, message) => {
    await expect(admit(withAccount(), { of: "/pods", namespace: "ns", object })).rejects.toMatchObject({
      status: { reason: "Forbidden", message },
    });
  });

  /** Fires every timer at once. */
  const hurried: Clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    after: (_delayMs, callback) => {
      queueMicrotask(callback);
      return { cancel: () => undefined };
    },
  };

  it("waits a while for a default account, which is made soon after its namespace", async () => {
    const { reader, ...rest } = dependencies();
    let asked = 0;
    const late = Object.create(reader, {
      getFresh: { value: () => Promise.resolve((asked += 1) < 10 ? undefined : { metadata: { namespace: "ns", name: "default" } }) },
    }) as MemoryReader;
    await expect(
      admit(serviceAccount({ reader: late, ...rest }, hurried), { of: "/pods", namespace: "ns", object: pod() }),
    ).resolves.toBeDefined();
    expect(asked).toBe(10);
  });

  it("refuses a pod whose default account does not come", async () => {
    await expect(admit(serviceAccount(dependencies(), hurried), { of: "/pods", namespace: "ns", object: pod() })).rejects.toMatchObject({
      status: { message: 'pods "p" is forbidden: error looking up service account ns/default: serviceaccount "default" not found' },
    });
  });

  it("leaves a mirror pod as its node made it", async () => {
    const object = pod({}, { "kubernetes.io/config.mirror": "h" });
    const before = JSON.stringify(object);
    expect(JSON.stringify(await admit(withAccount(), { of: "/pods", namespace: "ns", object }))).toBe(before);
  });
});

describe("Priority", () => {
  const classes = (): AdmissionPlugin => {
    const parts = dependencies();
    const of = { group: "scheduling.k8s.io", resource: "priorityclasses" };
    parts.reader.put(
      of,
      { metadata: { name: "high" }, value: 1000, preemptionPolicy: "Never" } as unknown as KubeObject,
      { metadata: { name: "usual" }, value: 10, globalDefault: true } as unknown as KubeObject,
      { metadata: { name: "lower" }, value: 5, globalDefault: true } as unknown as KubeObject,
    );
    return priority(parts);
  };

  it.each([
    [{ priorityClassName: "high" }, { priorityClassName: "high", priority: 1000, preemptionPolicy: "Never" }],
    [{}, { priorityClassName: "lower", priority: 5, preemptionPolicy: "PreemptLowerPriority" }],
    [{ priorityClassName: "high", priority: 1000 }, { priority: 1000 }],
  ])("of %j makes %j", async (spec, expected) => {
    expect(((await admit(classes(), { of: "/pods", object: pod(spec) })) as corev1.Pod).spec).toMatchObject(expected);
  });

  it("is nothing where no class says otherwise", async () => {
    expect(((await admit(priority(dependencies()), { of: "/pods", object: pod() })) as corev1.Pod).spec).toMatchObject({ priority: 0 });
  });

  it.each([
    [{ priorityClassName: "none" }, "no PriorityClass with name none was found"],
    [
      { priority: 7 },
      "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 5 from the given PriorityClass name",
    ],
  ])("refuses %j", async (spec, text) => {
    await expect(admit(classes(), { of: "/pods", object: pod(spec) })).rejects.toMatchObject({
      status: { reason: "Forbidden", message: `pods "p" is forbidden: ${text}` },
    });
  });
});

describe("DefaultTolerationSeconds", () => {
  const added = (key: string, tolerationSeconds: number): object => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds });
  const notReady = "node.kubernetes.io/not-ready";
  const unreachable = "node.kubernetes.io/unreachable";

  it.each<[corev1.Toleration[], object[]]>([
    [[], [added(notReady, 20), added(unreachable, 40)]],
    [[{ key: notReady, operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 }], [added(notReady, 5), added(unreachable, 40)]],
    [[{ operator: "Exists" }], [{ operator: "Exists" }]],
    [
      [{ key: notReady, operator: "Exists", effect: "NoSchedule" }],
      [{ key: notReady, operator: "Exists", effect: "NoSchedule" }, added(notReady, 20), added(unreachable, 40)],
    ],
  ])("to %j adds what is missing, with the seconds of the flags", async (tolerations, expected) => {
    const plugin = defaultTolerationSeconds({ notReady: 20, unreachable: 40 });
    expect(((await admit(plugin, { of: "/pods", object: pod({ tolerations }) })) as corev1.Pod).spec?.tolerations).toEqual(expected);
  });
});

describe("TaintNodesByCondition", () => {
  it("taints a new node as not ready, once", async () => {
    const taint = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };
    const taints = async (spec: object): Promise<unknown> =>
      ((await admit(taintNodesByCondition, { of: "/nodes", object: { metadata: { name: "n" }, spec } })) as corev1.Node).spec?.taints;
    expect([await taints({}), await taints({ taints: [taint] })]).toEqual([[taint], [taint]]);
  });
});

describe("default classes", () => {
  const marked = (annotation: string, name: string, creationTimestamp: string): KubeObject =>
    ({ metadata: { name, creationTimestamp, annotations: { [annotation]: "true" } } }) as KubeObject;

  it("are the newest of those that are marked, for objects that name none", async () => {
    const parts = dependencies();
    const [storage, ingress] = ["storageclass.kubernetes.io/is-default-class", "ingressclass.kubernetes.io/is-default-class"];
    parts.reader.put(
      { group: "storage.k8s.io", resource: "storageclasses" },
      marked(storage, "old", "2025-01-01T00:00:00Z"),
      marked(storage, "new", "2026-01-01T00:00:00Z"),
    );
    parts.reader.put({ group: "networking.k8s.io", resource: "ingressclasses" }, marked(ingress, "nginx", "2025-01-01T00:00:00Z"));
    const claimed = async (object: object): Promise<unknown> =>
      ((await admit(defaultStorageClass(parts), { of: "/persistentvolumeclaims", object })) as corev1.PersistentVolumeClaim).spec
        ?.storageClassName;
    expect([await claimed({ spec: {} }), await claimed({ spec: { storageClassName: "" } })]).toEqual(["new", ""]);
    const ingressOf = async (object: object): Promise<unknown> =>
      ((await admit(defaultIngressClass(parts), { of: "networking.k8s.io/ingresses", object })) as { spec?: { ingressClassName?: string } })
        .spec?.ingressClassName;
    expect([
      await ingressOf({ spec: {} }),
      await ingressOf({ metadata: { annotations: { "kubernetes.io/ingress.class": "x" } }, spec: {} }),
    ]).toEqual(["nginx", undefined]);
  });
});

describe("rights through roles and bindings", () => {
  const group = "rbac.authorization.k8s.io";
  const readPods: rbacv1.PolicyRule = { verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] };
  const user = { username: "alice", groups: ["dev"] };

  function cluster(...rules: rbacv1.PolicyRule[]): ReturnType<typeof rbacEscalation> {
    const parts = dependencies();
    parts.reader.put(
      { group, resource: "clusterroles" },
      { metadata: { name: "own" }, rules } as unknown as KubeObject,
      { metadata: { name: "admin" }, rules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }] } as unknown as KubeObject,
    );
    parts.reader.put({ group, resource: "clusterrolebindings" }, {
      metadata: { name: "b" },
      roleRef: { kind: "ClusterRole", name: "own" },
      subjects: [{ kind: "User", name: "alice" }],
    } as unknown as KubeObject);
    return rbacEscalation(parts);
  }
  const role = (...rules: rbacv1.PolicyRule[]): WriteFacts => ({
    of: `${group}/clusterroles`,
    object: { metadata: { name: "r" }, rules },
    user,
  });
  const bindingTo = (name: string): WriteFacts => ({
    of: `${group}/clusterrolebindings`,
    object: { metadata: { name: "n" }, roleRef: { kind: "ClusterRole", name } },
    user,
  });

  it.each<[string, rbacv1.PolicyRule[], WriteFacts]>([
    ["what one has", [readPods], role({ ...readPods, verbs: ["get"] })],
    [
      "what one may escalate to",
      [{ verbs: ["escalate"], apiGroups: [group], resources: ["clusterroles"] }],
      role({ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }),
    ],
    [
      "a role that one may bind",
      [{ verbs: ["bind"], apiGroups: [group], resources: ["clusterroles"], resourceNames: ["admin"] }],
      bindingTo("admin"),
    ],
    ["one's own role", [readPods], bindingTo("own")],
    [
      "anything as a master",
      [],
      { ...role({ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }), user: { username: "root", groups: ["system:masters"] } },
    ],
  ])("can be given: %s", async (_what, rules, facts) => {
    await expect(validate(cluster(...rules), facts)).resolves.toBeUndefined();
  });

  it.each<[rbacv1.PolicyRule[], WriteFacts, string]>([
    [[readPods], role({ ...readPods, verbs: ["delete"] }), '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}'],
    [[readPods], role({ verbs: ["get"], nonResourceURLs: ["/x"] }), '{NonResourceURLs:["/x"], Verbs:["get"]}'],
    [[readPods], bindingTo("admin"), '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}'],
    [[{ ...readPods, resourceNames: ["a"] }], role(readPods), '{APIGroups:[""], Resources:["pods"], Verbs:["get","list"]}'],
  ])("with %j cannot be given by %j", async (rules, facts, missing) => {
    await expect(validate(cluster(...rules), facts)).rejects.toMatchObject({
      status: {
        reason: "Forbidden",
        message: expect.stringContaining(
          `user "alice" (groups=["dev"]) is attempting to grant RBAC permissions not currently held:\n${missing}`,
        ),
      },
    });
  });

  it("are not needed for a write that gives nothing new", async () => {
    const object = { metadata: { name: "r", labels: { a: "b" } }, rules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }] };
    const old = { ...object, metadata: { name: "r" } };
    await expect(validate(cluster(), { operation: "UPDATE", of: `${group}/clusterroles`, object, old, user })).resolves.toBeUndefined();
  });
});

describe("createAdmission()", () => {
  it("keeps upstream's order, adds and leaves out as told, and knows no other names", () => {
    const parts = dependencies();
    const names = createAdmission({ ...parts, enabled: ["NodeRestriction"], disabled: ["LimitRanger"] }).plugins.map(({ name }) => name);
    expect(names).toEqual([
      "NamespaceLifecycle",
      "ServiceAccount",
      "NodeRestriction",
      "TaintNodesByCondition",
      "Priority",
      "DefaultTolerationSeconds",
      "DefaultStorageClass",
      "DefaultIngressClass",
      "RBACEscalation",
    ]);
    expect(createAdmission(parts).plugins.map(({ name }) => name)).not.toContain("NodeRestriction");
    expect(() => createAdmission({ ...parts, enabled: ["Nonsense"] })).toThrow('Unknown admission plugin "Nonsense"');
  });
});

describe("AdmissionChain", () => {
  it("runs plugins in order, passes refusals on, and hides what went wrong inside one", async () => {
    const seen: string[] = [];
    const plugin = (name: string, admitting?: () => void): AdmissionPlugin => ({
      name,
      handles: (operation) => operation === "CREATE",
      admit: () => {
        seen.push(name);
        admitting?.();
      },
    });
    const refusal = newForbidden(core("pods"), "p", "no");
    const write = testWrite({ of: "/pods", object: pod() });
    await new AdmissionChain([plugin("a"), plugin("b")]).admit(write);
    await new AdmissionChain([plugin("c")]).admit(testWrite({ operation: "DELETE", of: "/pods" }));
    expect(seen).toEqual(["a", "b"]);
    const failing = (error: Error): Promise<void> =>
      new AdmissionChain([
        plugin("x", () => {
          throw error;
        }),
      ]).admit(write);
    await expect(failing(refusal)).rejects.toBe(refusal);
    await expect(failing(new Error("bug"))).rejects.toMatchObject({ status: { reason: "InternalError" } });
  });
});
