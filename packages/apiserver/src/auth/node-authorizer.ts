// What a node may do: read and report on itself and what belongs to it; for the rest, the rules of the role system:node.
// What only the body of a write tells is checked by the NodeRestriction admission plugin.
// Source: plugin/pkg/auth/authorizer/node/node_authorizer.go (with AuthorizeNodeWithSelectors, as since 1.34).
import { type FieldRequirement, parseFieldSelector } from "@lenj/apimachinery";
import type { rbacv1 } from "@lenj/proto/k8s";
import { clusterRoles } from "./bootstrap-policy.js";
import { NodeGraph } from "./node-graph.js";
import type { AuthorizationResult, Authorizer, AuthorizerAttributes, ObjectReader, SubjectRules, UserInfo } from "./ports.js";
import { allows } from "./rbac-authorizer.js";

const userPrefix = "system:node:";
export const leaseNamespace = "kube-node-lease";
const allow: AuthorizationResult = { decision: "allow", reason: "" };
const noOpinion = (reason = ""): AuthorizationResult => ({ decision: "noOpinion", reason });

/** The node behind a user ("" when the user names none); undefined for everybody who is no node. */
export function nodeOf(user: UserInfo): string | undefined {
  return user.username.startsWith(userPrefix) && user.groups.includes("system:nodes") ? user.username.slice(userPrefix.length) : undefined;
}

export class NodeAuthorizer implements Authorizer {
  readonly #graph: NodeGraph;
  readonly #rules: readonly rbacv1.PolicyRule[] = clusterRoles.find((role) => role.name === "system:node")?.rules ?? [];
  readonly #byResource: ReadonlyMap<string, (node: string, attributes: AuthorizerAttributes) => AuthorizationResult>;

  constructor(reader: ObjectReader) {
    this.#graph = new NodeGraph(reader);
    this.#byResource = new Map([
      ["/secrets", this.#readNamespaced],
      ["/configmaps", this.#readNamespaced],
      [
        "/persistentvolumeclaims",
        (node, about) => (about.subresource === "status" ? this.#writeStatus(node, about) : this.#get(node, about)),
      ],
      ["/persistentvolumes", this.#get],
      ["resource.k8s.io/resourceclaims", this.#get],
      ["storage.k8s.io/volumeattachments", this.#get],
      ["/serviceaccounts", this.#serviceAccounts],
      ["coordination.k8s.io/leases", authorizeLease],
      ["storage.k8s.io/csinodes", authorizeCSINode],
      ["resource.k8s.io/resourceslices", this.#resourceSlices],
      ["/nodes", authorizeNode],
      ["/pods", this.#pods],
    ]);
  }

  close(): void {
    this.#graph.close();
  }

  authorize(attributes: AuthorizerAttributes): AuthorizationResult {
    const node = nodeOf(attributes.user);
    if (node === undefined) return noOpinion();
    if (node === "") return noOpinion(`unknown node for user ${JSON.stringify(attributes.user.username)}`);
    const special = attributes.isResourceRequest ? this.#byResource.get(`${attributes.apiGroup}/${attributes.resource}`) : undefined;
    if (special !== undefined) return special(node, attributes);
    return this.#rules.some((rule) => allows(rule, attributes)) ? allow : noOpinion();
  }

  /** What a node may do follows from what runs on it, and is no list of rules. */
  rulesFor(user: UserInfo): SubjectRules {
    if (nodeOf(user) === undefined) return { resourceRules: [], nonResourceRules: [], incomplete: false };
    const evaluationError = "node authorizer does not support user rule resolution";
    return { resourceRules: [], nonResourceRules: [], incomplete: true, evaluationError };
  }

  readonly #related = (node: string, { resource, namespace, name }: AuthorizerAttributes): AuthorizationResult => {
    if (name === "") return noOpinion("No Object name found");
    return this.#graph.isRelated(node, resource, namespace, name)
      ? allow
      : noOpinion(`no relationship found between node '${node}' and this object`);
  };

  readonly #get = (node: string, about: AuthorizerAttributes): AuthorizationResult => {
    if (about.verb !== "get") return noOpinion("can only get individual resources of this type");
    if (about.subresource !== "") return noOpinion("cannot get subresource");
    return this.#related(node, about);
  };

  readonly #readNamespaced = (node: string, about: AuthorizerAttributes): AuthorizationResult => {
    if (!["get", "list", "watch"].includes(about.verb)) return noOpinion("can only read resources of this type");
    if (about.subresource !== "") return noOpinion("cannot read subresource");
    if (about.namespace === "") return noOpinion("can only read namespaced object of this type");
    return this.#related(node, about);
  };

  readonly #writeStatus = (node: string, about: AuthorizerAttributes): AuthorizationResult => {
    if (about.verb !== "update" && about.verb !== "patch") return noOpinion("can only get/update/patch this type");
    return this.#related(node, about);
  };

  readonly #serviceAccounts = (node: string, about: AuthorizerAttributes): AuthorizationResult => {
    if (about.verb === "get" && about.subresource === "") return this.#readNamespaced(node, about);
    if (about.verb !== "create" || about.name === "") return noOpinion("can only create tokens for individual service accounts");
    if (about.subresource !== "token") return noOpinion("can only create token subresource of serviceaccount");
    return this.#related(node, about);
  };

  readonly #resourceSlices = (node: string, about: AuthorizerAttributes): AuthorizationResult => {
    if (about.subresource !== "") return noOpinion("cannot authorize ResourceSlice subresources");
    switch (about.verb) {
      case "create":
        return allow;
      case "get":
      case "update":
      case "patch":
      case "delete":
        return this.#related(node, about);
      case "watch":
      case "list":
      case "deletecollection":
        return selects(about, "spec.nodeName", node)
          ? allow
          : noOpinion("can only list/watch/deletecollection resourceslices with nodeName field selector");
      default:
        return noOpinion(
          "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
        );
    }
  };

  readonly #pods = (node: string, about: AuthorizerAttributes): AuthorizationResult => {
    const { subresource, verb } = about;
    if (subresource === "status") return verb === "update" || verb === "patch" ? allow : noOpinion();
    if (subresource === "eviction") return verb === "create" ? allow : noOpinion();
    if (subresource !== "") return noOpinion();
    switch (verb) {
      case "get":
        return this.#related(node, about);
      case "list":
      case "watch":
        if (selects(about, "spec.nodeName", node)) return allow;
        return about.name === "" ? noOpinion("can only list/watch pods with spec.nodeName field selector") : this.#related(node, about);
      case "create":
      case "delete":
        return allow;
      default:
        return noOpinion();
    }
  };
}

function authorizeLease(node: string, { verb, namespace, name }: AuthorizerAttributes): AuthorizationResult {
  if (!["get", "create", "update", "patch", "delete"].includes(verb))
    return noOpinion("can only get, create, update, patch, or delete a node lease");
  if (namespace !== leaseNamespace) return noOpinion(`can only access leases in the "${leaseNamespace}" system namespace`);
  if (verb !== "create" && name !== node) return noOpinion("can only access node lease with the same name as the requesting node");
  return allow;
}

function authorizeCSINode(node: string, { verb, subresource, name }: AuthorizerAttributes): AuthorizationResult {
  if (!["get", "create", "update", "patch", "delete"].includes(verb))
    return noOpinion("can only get, create, update, patch, or delete a CSINode");
  if (subresource !== "") return noOpinion("cannot authorize CSINode subresources");
  if (verb !== "create" && name !== node) return noOpinion("can only access CSINode with the same name as the requesting node");
  return allow;
}

/** By name rather than by the graph: a node asks for its Node object before there is one. */
function authorizeNode(node: string, { verb, subresource, name }: AuthorizerAttributes): AuthorizationResult {
  if (subresource === "status") return verb === "update" || verb === "patch" ? allow : noOpinion();
  if (subresource !== "") return noOpinion();
  switch (verb) {
    case "create":
    case "update":
    case "patch":
      return allow;
    case "get":
    case "list":
    case "watch":
      if (name === node) return allow;
      return noOpinion(
        name === ""
          ? `node '${node}' cannot read all nodes, only its own Node object`
          : `node '${node}' cannot read '${name}', only its own Node object`,
      );
    default:
      return noOpinion();
  }
}

function selects({ fieldSelector }: AuthorizerAttributes, field: string, value: string): boolean {
  return requirementsOf(fieldSelector).some((term) => term.field === field && term.operator === "=" && term.value === value);
}

/** A selector that cannot be read narrows nothing. */
function requirementsOf(fieldSelector: string | undefined): readonly FieldRequirement[] {
  try {
    return fieldSelector === undefined ? [] : parseFieldSelector(fieldSelector);
  } catch {
    return [];
  }
}
