// Keeps a node to itself: its own Node, Lease and CSINode, the pods that are bound to it, and labels that steer no pods.
// The authorizer has looked at the request's address already; here the bodies are looked at.
// Source: plugin/pkg/admission/noderestriction.
import { newForbidden, newNotFound, semanticEqual } from "@lenj/apimachinery";
import type { authenticationv1, corev1, resourcev1 } from "@lenj/proto/k8s";
import { leaseNamespace, nodeOf } from "../auth/node-authorizer.js";
import { mirrorAnnotation } from "../auth/node-graph.js";
import { firstReferencedResource } from "../auth/pod-references.js";
import type { Authorizer, KubeObject, ObjectReader } from "../auth/ports.js";
import { checkNodeCSR } from "./node-csr.js";
import { forbiddenLabels } from "./node-labels.js";
import { podUsesAudience } from "./node-token-audience.js";
import type { AdmissionAttributes, AdmissionDependencies, AdmissionPlugin } from "./ports.js";

type Pod = KubeObject & corev1.Pod;
type Node = KubeObject & corev1.Node;
type Claim = KubeObject & corev1.PersistentVolumeClaim;

const pods = { group: "", resource: "pods" };

/** One write of one node, and what is needed to judge it. */
interface NodeWrite extends AdmissionAttributes {
  readonly node: string;
  readonly reader: ObjectReader;
  readonly authorizer: Authorizer | undefined;
}

const checks: Readonly<Record<string, (write: NodeWrite) => void | Promise<void>>> = {
  "/pods": checkPod,
  "/nodes": checkNode,
  "/persistentvolumeclaims": checkClaim,
  "/serviceaccounts": checkToken,
  "coordination.k8s.io/leases": checkLease,
  "storage.k8s.io/csinodes": checkCSINode,
  "resource.k8s.io/resourceslices": checkResourceSlice,
  "certificates.k8s.io/certificatesigningrequests": (write) =>
    checkNodeCSR(write.operation, write.object, write.node, (why) => refuse(write, why)),
};

export function nodeRestriction({ reader, authorizer }: AdmissionDependencies): AdmissionPlugin {
  return {
    name: "NodeRestriction",
    handles: (operation) => operation !== "CONNECT",
    admit: (attributes) => {
      const node = nodeOf(attributes.user);
      if (node === undefined) return undefined;
      const write: NodeWrite = { ...attributes, node, reader, authorizer };
      if (node === "") refuse(write, `could not determine node from user ${JSON.stringify(attributes.user.username)}`);
      return checks[`${attributes.resource.group}/${attributes.resource.resource}`]?.(write);
    },
  };
}

function refuse({ resource, name }: AdmissionAttributes, why: string): never {
  throw newForbidden(resource, name, why);
}

function checkPod(write: NodeWrite): void {
  const { subresource, operation, node } = write;
  const unexpected = `unexpected operation "${operation}"`;
  switch (subresource) {
    case "":
      if (operation === "CREATE") return checkMirrorPod(write);
      if (operation !== "DELETE") refuse(write, `${unexpected}, node "${node}" can only create and delete mirror pods`);
      if (readPod(write, write.name).spec?.nodeName !== node)
        refuse(write, `node "${node}" can only delete pods with spec.nodeName set to itself`);
      return;
    case "status":
      if (operation !== "UPDATE") refuse(write, unexpected);
      return checkPodStatus(write);
    case "eviction":
      if (operation !== "CREATE") refuse(write, `unexpected operation ${operation}`);
      if (readPod(write, write.name).spec?.nodeName !== node)
        refuse(write, `node ${node} can only evict pods with spec.nodeName set to itself`);
      return;
    default:
      refuse(write, `unexpected pod subresource "${subresource}", only 'status' and 'eviction' are allowed`);
  }
}

function readPod({ reader, namespace }: NodeWrite, name: string): Pod {
  const pod = reader.get<Pod>(pods, namespace, name);
  if (pod === undefined) throw newNotFound(pods, name);
  return pod;
}

function checkMirrorPod(write: NodeWrite): void {
  const { node, reader } = write;
  const pod = write.object as Pod;
  if (pod.metadata?.annotations?.[mirrorAnnotation] === undefined)
    refuse(write, `pod does not have "${mirrorAnnotation}" annotation, node "${node}" can only create mirror pods`);
  if (pod.spec?.nodeName !== node) refuse(write, `node "${node}" can only create pods with spec.nodeName set to itself`);
  const [owner, another] = pod.metadata?.ownerReferences ?? [];
  if (another !== undefined) refuse(write, `node "${node}" can only create pods with a single owner reference set to itself`);
  if (owner === undefined || owner.apiVersion !== "v1" || owner.kind !== "Node" || owner.name !== node)
    return refuse(write, `node "${node}" can only create pods with an owner reference set to itself`);
  if (owner.controller !== true) refuse(write, `node "${node}" can only create pods with a controller owner reference set to itself`);
  if (owner.blockOwnerDeletion === true) refuse(write, `node "${node}" must not set blockOwnerDeletion on an owner reference`);
  const self = reader.get<Node>({ group: "", resource: "nodes" }, undefined, node);
  if (self === undefined) throw newNotFound({ group: "", resource: "nodes" }, node);
  if (owner.uid !== self.metadata?.uid) refuse(write, `node ${node} UID mismatch: expected ${owner.uid} got ${self.metadata?.uid}`);
  // A reference would make the node a reader of what it names.
  const referenced = firstReferencedResource(pod);
  if (referenced !== undefined) refuse(write, `node "${node}" can not create pods that reference ${referenced}`);
}

function checkPodStatus(write: NodeWrite): void {
  const { node } = write;
  const [before, after] = [write.oldObject as Pod, write.object as Pod];
  if (before.spec?.nodeName !== node) refuse(write, `node "${node}" can only update pod status for pods with spec.nodeName set to itself`);
  if (!semanticEqual(before.metadata?.labels, after.metadata?.labels))
    refuse(write, `node "${node}" cannot update labels through pod status`);
  if (!semanticEqual(before.status?.resourceClaimStatuses, after.status?.resourceClaimStatuses))
    refuse(write, `node "${node}" cannot update resource claim statues`);
  if (!semanticEqual(before.status?.extendedResourceClaimStatus, after.status?.extendedResourceClaimStatus))
    refuse(write, `node "${node}" cannot update extended resource claim status`);
}

function checkNode(write: NodeWrite): void {
  const { node, name, operation } = write;
  if (name !== node) refuse(write, `node "${node}" is not allowed to modify node "${name}"`);
  const after = write.object as Node | undefined;
  if (operation === "CREATE") {
    if (after?.spec?.configSource !== undefined) refuse(write, `node "${node}" is not allowed to create pods with a non-nil configSource`);
    const labels = forbiddenLabels(after?.metadata?.labels, undefined);
    if (labels.length > 0) refuse(write, `node "${node}" is not allowed to set the following labels: ${labels.join(", ")}`);
  }
  if (operation !== "UPDATE") return;
  const before = write.oldObject as Node;
  if (after?.spec?.configSource !== undefined && !semanticEqual(after.spec.configSource, before.spec?.configSource))
    refuse(write, `node "${node}" is not allowed to update configSource to a new non-nil configSource`);
  // Taints and labels decide which pods come: a node that could change them would draw pods, and their secrets, to itself.
  if (!semanticEqual(after?.spec?.taints, before.spec?.taints)) refuse(write, `node "${node}" is not allowed to modify taints`);
  const labels = forbiddenLabels(after?.metadata?.labels, before.metadata?.labels);
  if (labels.length > 0) refuse(write, `is not allowed to modify labels: ${labels.join(", ")}`);
}

function checkClaim(write: NodeWrite): void {
  if (write.subresource !== "status") refuse(write, "may only update PVC status");
  if (write.operation !== "UPDATE") refuse(write, `unexpected operation "${write.operation}"`);
  if (semanticEqual(withoutReport(write.oldObject as Claim), withoutReport(write.object as Claim))) return;
  refuse(write, `node "${write.node}" is not allowed to update fields other than status.quantity and status.conditions`);
}

/** The claim without what its node reports on it. */
function withoutReport({ metadata, status, ...rest }: Claim): object {
  const { resourceVersion: _version, managedFields: _managers, ...otherMetadata } = metadata ?? {};
  const { capacity: _c, conditions: _n, allocatedResources: _r, allocatedResourceStatuses: _s, ...otherStatus } = status ?? {};
  return { ...rest, metadata: otherMetadata, status: otherStatus };
}

/** A node gets tokens for its pods, and each only for that pod. */
async function checkToken(write: NodeWrite): Promise<void> {
  if (write.operation !== "CREATE" || write.subresource !== "token") return;
  const { spec } = write.object as KubeObject & authenticationv1.TokenRequest;
  const bound = spec?.boundObjectRef ?? undefined;
  if (bound === undefined || bound.apiVersion !== "v1" || bound.kind !== "Pod" || !bound.name)
    return refuse(write, "node requested token not bound to a pod");
  if (!bound.uid) refuse(write, "node requested token with a pod binding without a uid");
  const pod = readPod(write, bound.name);
  if (bound.uid !== pod.metadata?.uid) {
    const why = `the UID in the bound object reference (${bound.uid}) does not match the UID in record.`;
    refuse(write, `${why} The object might have been deleted and then recreated`);
  }
  if (pod.spec?.nodeName !== write.node) refuse(write, "node requested token bound to a pod scheduled on a different node");
  await checkAudience(write, spec?.audiences ?? [], pod);
}

/** Source: ServiceAccountNodeAudienceRestriction, KEP-4412. */
async function checkAudience(write: NodeWrite, audiences: readonly string[], pod: Pod): Promise<void> {
  if (audiences.length > 1) refuse(write, "node may only request 0 or 1 audiences");
  const audience = audiences[0] ?? "";
  if (podUsesAudience(write.reader, pod, audience)) return;
  const { user, namespace, name, signal } = write;
  const verb = "request-serviceaccounts-token-audience";
  const answer = await write.authorizer?.authorize(
    { user, verb, isResourceRequest: true, apiGroup: "", apiVersion: "v1", resource: audience, subresource: "", namespace, name, path: "" },
    signal,
  );
  if (answer?.decision === "allow") return;
  const why = `audience ${JSON.stringify(audience)} not found in pod spec volume`;
  refuse(write, `${why}, ${user.username} is not authorized to request tokens for this audience`);
}

function checkLease(write: NodeWrite): void {
  if (write.namespace !== leaseNamespace) refuse(write, `can only access leases in the "${leaseNamespace}" system namespace`);
  if (write.name !== write.node) refuse(write, "can only access node lease with the same name as the requesting node");
}

function checkCSINode(write: NodeWrite): void {
  if (write.name !== write.node) refuse(write, "can only access CSINode with the same name as the requesting node");
}

function checkResourceSlice(write: NodeWrite): void {
  const { operation } = write;
  const slice = (operation === "DELETE" ? write.oldObject : write.object) as (KubeObject & resourcev1.ResourceSlice) | undefined;
  if (operation === "UPDATE" || slice?.spec?.nodeName === write.node) return;
  const verb = operation === "CREATE" ? "create" : "delete";
  refuse(write, `can only ${verb} ResourceSlice with the same NodeName as the requesting node`);
}
