import type { rbacv1 } from "@lenj/proto/k8s";
import { MemoryReader } from "../testing/memory-reader.js";
import type { AuthorizerAttributes, KubeObject, UserInfo } from "./ports.js";
import { allows, RBACAuthorizer } from "./rbac-authorizer.js";

const rbac = (resource: string): { group: string; resource: string } => ({ group: "rbac.authorization.k8s.io", resource });
const alice: UserInfo = { username: "alice", groups: ["dev", "system:authenticated"] };

function ask(about: Partial<AuthorizerAttributes>): AuthorizerAttributes {
  return {
    user: alice,
    verb: "get",
    isResourceRequest: true,
    apiGroup: "",
    apiVersion: "v1",
    resource: "pods",
    subresource: "",
    namespace: "",
    name: "",
    path: "",
    ...about,
  };
}

function role(
  name: string,
  rules: rbacv1.PolicyRule[],
  about: { namespace?: string; labels?: Record<string, string>; selects?: Record<string, string> } = {},
): KubeObject {
  const { namespace, labels, selects } = about;
  return {
    metadata: { name, labels, ...(namespace !== undefined && { namespace }) },
    rules,
    ...(selects !== undefined && { aggregationRule: { clusterRoleSelectors: [{ matchLabels: selects }] } }),
  } as unknown as KubeObject;
}

function binding(name: string, roleRef: string, subject: object, namespace?: string): KubeObject {
  const [kind, role] = roleRef.split("/");
  return {
    metadata: { name, ...(namespace !== undefined && { namespace }) },
    roleRef: { kind, name: role },
    subjects: [subject],
  } as unknown as KubeObject;
}

const readPods: rbacv1.PolicyRule = { verbs: ["get"], apiGroups: [""], resources: ["pods"] };

describe("allows()", () => {
  const rule = (about: Partial<rbacv1.PolicyRule>): rbacv1.PolicyRule => ({
    verbs: ["get"],
    apiGroups: [""],
    resources: ["pods"],
    ...about,
  });
  it.each<[boolean, Partial<rbacv1.PolicyRule>, Partial<AuthorizerAttributes>]>([
    [true, {}, {}],
    [false, {}, { verb: "list" }],
    [true, { verbs: ["*"] }, { verb: "list" }],
    [false, {}, { apiGroup: "apps" }],
    [true, { apiGroups: ["*"] }, { apiGroup: "apps" }],
    [false, {}, { resource: "secrets" }],
    [true, { resources: ["*"] }, { resource: "secrets", subresource: "status" }],
    [false, {}, { subresource: "status" }],
    [true, { resources: ["pods/status"] }, { subresource: "status" }],
    [false, { resources: ["pods/status"] }, {}],
    [true, { resources: ["*/scale"] }, { resource: "deployments", subresource: "scale" }],
    [false, { resources: ["*/scale"] }, { resource: "deployments" }],
    [true, { resourceNames: ["a"] }, { name: "a" }],
    [false, { resourceNames: ["a"] }, { name: "b" }],
    [false, { resourceNames: ["a"] }, { name: "" }],
    [false, {}, { isResourceRequest: false, path: "/version" }],
    [true, { nonResourceURLs: ["/version"] }, { isResourceRequest: false, path: "/version" }],
    [true, { nonResourceURLs: ["/healthz/*"] }, { isResourceRequest: false, path: "/healthz/etcd" }],
    [false, { nonResourceURLs: ["/healthz/*"] }, { isResourceRequest: false, path: "/livez" }],
    [true, { nonResourceURLs: ["*"] }, { isResourceRequest: false, path: "/x" }],
    [false, { nonResourceURLs: ["/version"] }, { isResourceRequest: false, path: "/version", verb: "post" }],
  ])("is %s for rule %j and request %j", (answer, about, request) => {
    expect(allows(rule(about), ask(request))).toBe(answer);
  });
});

describe("RBACAuthorizer", () => {
  it.each([
    ["a user", { kind: "User", name: "alice" }, alice, true],
    ["another user", { kind: "User", name: "bob" }, alice, false],
    ["a group", { kind: "Group", name: "dev" }, alice, true],
    [
      "a service account",
      { kind: "ServiceAccount", namespace: "ns", name: "sa" },
      { username: "system:serviceaccount:ns:sa", groups: [] },
      true,
    ],
    [
      "one of another namespace",
      { kind: "ServiceAccount", namespace: "x", name: "sa" },
      { username: "system:serviceaccount:ns:sa", groups: [] },
      false,
    ],
    [
      "a user named like the account",
      { kind: "User", name: "system:serviceaccount:ns:sa" },
      { username: "system:serviceaccount:ns:sa", groups: [] },
      true,
    ],
  ])("binds %s", (_what, subject, user, answer) => {
    const reader = new MemoryReader();
    reader.put(rbac("clusterroles"), role("reader", [readPods]));
    reader.put(rbac("clusterrolebindings"), binding("b", "ClusterRole/reader", subject));
    expect(new RBACAuthorizer(reader).authorize(ask({ user })).decision).toBe(answer ? "allow" : "noOpinion");
  });

  it("keeps what a namespace's binding gives inside the namespace, and says why it allows", () => {
    const reader = new MemoryReader();
    reader.put(rbac("roles"), role("reader", [readPods], { namespace: "ns" }));
    reader.put(rbac("rolebindings"), binding("b", "Role/reader", { kind: "User", name: "alice" }, "ns"));
    const authorizer = new RBACAuthorizer(reader);
    expect(authorizer.authorize(ask({ namespace: "ns" }))).toEqual({
      decision: "allow",
      reason: 'RBAC: allowed by RoleBinding "b/ns" of Role "reader" to User "alice"',
    });
    expect(authorizer.authorize(ask({ namespace: "other" })).decision).toBe("noOpinion");
    expect(authorizer.authorize(ask({})).decision).toBe("noOpinion");
  });

  it("grants nothing by a role that does not exist, and follows roles and bindings as they change", () => {
    const reader = new MemoryReader();
    const authorizer = new RBACAuthorizer(reader);
    const decision = (): string => authorizer.authorize(ask({})).decision;
    reader.put(rbac("clusterrolebindings"), binding("b", "ClusterRole/reader", { kind: "User", name: "alice" }));
    expect(decision()).toBe("noOpinion");
    reader.put(rbac("clusterroles"), role("reader", [readPods]));
    expect(decision()).toBe("allow");
    reader.remove(rbac("clusterrolebindings"), undefined, "b");
    expect(decision()).toBe("noOpinion");
  });

  it("collects aggregated roles, also through each other, and survives a cycle", () => {
    const reader = new MemoryReader();
    reader.put(
      rbac("clusterroles"),
      role("view", [], { labels: { "to-edit": "true" }, selects: { "to-view": "true" } }),
      role("edit", [], { labels: { "to-view": "true" }, selects: { "to-edit": "true" } }),
      role("part", [readPods], { labels: { "to-view": "true" } }),
    );
    reader.put(rbac("clusterrolebindings"), binding("b", "ClusterRole/edit", { kind: "User", name: "alice" }));
    expect(new RBACAuthorizer(reader).authorize(ask({})).decision).toBe("allow");
  });

  it("lists the rules of a user in a namespace", () => {
    const reader = new MemoryReader();
    reader.put(
      rbac("clusterroles"),
      role("reader", [
        { ...readPods, resourceNames: ["a"] },
        { verbs: ["get"], nonResourceURLs: ["/version"] },
      ]),
    );
    reader.put(rbac("clusterrolebindings"), binding("b", "ClusterRole/reader", { kind: "User", name: "alice" }));
    expect(new RBACAuthorizer(reader).rulesFor(alice, "ns")).toEqual({
      resourceRules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"], resourceNames: ["a"] }],
      nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/version"] }],
      incomplete: false,
    });
  });
});
