// Every resource the api-server serves by itself, in the order in which discovery shows them.
import type { KubernetesObject, ResourceDeclaration } from "@lenj/apimachinery";
import { mutatingWebhookConfiguration } from "./admissionregistration/v1/mutating-webhook-configuration/index.js";
import { validatingAdmissionPolicy } from "./admissionregistration/v1/validating-admission-policy/index.js";
import { validatingAdmissionPolicyBinding } from "./admissionregistration/v1/validating-admission-policy-binding/index.js";
import { validatingWebhookConfiguration } from "./admissionregistration/v1/validating-webhook-configuration/index.js";
import { customResourceDefinition } from "./apiextensions/v1/custom-resource-definition/index.js";
import { apiService } from "./apiregistration/v1/api-service/index.js";
import { controllerRevision } from "./apps/v1/controller-revision/index.js";
import { daemonSet } from "./apps/v1/daemon-set/index.js";
import { deployment } from "./apps/v1/deployment/index.js";
import { replicaSet } from "./apps/v1/replica-set/index.js";
import { statefulSet } from "./apps/v1/stateful-set/index.js";
import { selfSubjectReview } from "./authentication/v1/self-subject-review/index.js";
import { tokenReview } from "./authentication/v1/token-review/index.js";
import { localSubjectAccessReview } from "./authorization/v1/local-subject-access-review/index.js";
import { selfSubjectAccessReview } from "./authorization/v1/self-subject-access-review/index.js";
import { selfSubjectRulesReview } from "./authorization/v1/self-subject-rules-review/index.js";
import { subjectAccessReview } from "./authorization/v1/subject-access-review/index.js";
import { horizontalPodAutoscaler } from "./autoscaling/v2/horizontal-pod-autoscaler/index.js";
import { cronJob } from "./batch/v1/cron-job/index.js";
import { job } from "./batch/v1/job/index.js";
import { certificateSigningRequest } from "./certificates/v1/certificate-signing-request/index.js";
import { lease } from "./coordination/v1/lease/index.js";
import { binding } from "./core/v1/binding/index.js";
import { componentStatus } from "./core/v1/component-status/index.js";
import { configMap } from "./core/v1/config-map/index.js";
import { endpoints } from "./core/v1/endpoints/index.js";
import { event } from "./core/v1/event/index.js";
import { limitRange } from "./core/v1/limit-range/index.js";
import { namespace } from "./core/v1/namespace/index.js";
import { node } from "./core/v1/node/index.js";
import { persistentVolume } from "./core/v1/persistent-volume/index.js";
import { persistentVolumeClaim } from "./core/v1/persistent-volume-claim/index.js";
import { pod } from "./core/v1/pod/index.js";
import { podTemplate } from "./core/v1/pod-template/index.js";
import { replicationController } from "./core/v1/replication-controller/index.js";
import { resourceQuota } from "./core/v1/resource-quota/index.js";
import { secret } from "./core/v1/secret/index.js";
import { service } from "./core/v1/service/index.js";
import { serviceAccount } from "./core/v1/service-account/index.js";
import { endpointSlice } from "./discovery/v1/endpoint-slice/index.js";
import { event as eventsEvent } from "./events/v1/event/index.js";
import { flowSchema } from "./flowcontrol/v1/flow-schema/index.js";
import { priorityLevelConfiguration } from "./flowcontrol/v1/priority-level-configuration/index.js";
import { ingress } from "./networking/v1/ingress/index.js";
import { ingressClass } from "./networking/v1/ingress-class/index.js";
import { ipAddress } from "./networking/v1/ip-address/index.js";
import { networkPolicy } from "./networking/v1/network-policy/index.js";
import { serviceCIDR } from "./networking/v1/service-cidr/index.js";
import { runtimeClass } from "./node/v1/runtime-class/index.js";
import { podDisruptionBudget } from "./policy/v1/pod-disruption-budget/index.js";
import { clusterRole } from "./rbac/v1/cluster-role/index.js";
import { clusterRoleBinding } from "./rbac/v1/cluster-role-binding/index.js";
import { role } from "./rbac/v1/role/index.js";
import { roleBinding } from "./rbac/v1/role-binding/index.js";
import { deviceClass } from "./resource/v1/device-class/index.js";
import { resourceClaim } from "./resource/v1/resource-claim/index.js";
import { resourceClaimTemplate } from "./resource/v1/resource-claim-template/index.js";
import { resourceSlice } from "./resource/v1/resource-slice/index.js";
import { priorityClass } from "./scheduling/v1/priority-class/index.js";
import { csiDriver } from "./storage/v1/csi-driver/index.js";
import { csiNode } from "./storage/v1/csi-node/index.js";
import { csiStorageCapacity } from "./storage/v1/csi-storage-capacity/index.js";
import { storageClass } from "./storage/v1/storage-class/index.js";
import { volumeAttachment } from "./storage/v1/volume-attachment/index.js";
import { volumeAttributesClass } from "./storage/v1/volume-attributes-class/index.js";

// Hooks take their own kind; callers pass objects that were decoded as that kind.
const all: readonly object[] = [
  // core
  binding,
  componentStatus,
  configMap,
  endpoints,
  event,
  limitRange,
  namespace,
  node,
  persistentVolumeClaim,
  persistentVolume,
  pod,
  podTemplate,
  replicationController,
  resourceQuota,
  secret,
  serviceAccount,
  service,
  // apiregistration.k8s.io
  apiService,
  // apps
  controllerRevision,
  daemonSet,
  deployment,
  replicaSet,
  statefulSet,
  // events.k8s.io
  eventsEvent,
  // authentication.k8s.io
  selfSubjectReview,
  tokenReview,
  // authorization.k8s.io
  localSubjectAccessReview,
  selfSubjectAccessReview,
  selfSubjectRulesReview,
  subjectAccessReview,
  // autoscaling
  horizontalPodAutoscaler,
  // batch
  job,
  cronJob,
  // certificates.k8s.io
  certificateSigningRequest,
  // networking.k8s.io
  ingressClass,
  ingress,
  ipAddress,
  networkPolicy,
  serviceCIDR,
  // policy
  podDisruptionBudget,
  // rbac.authorization.k8s.io
  clusterRoleBinding,
  roleBinding,
  clusterRole,
  role,
  // storage.k8s.io
  csiDriver,
  csiNode,
  csiStorageCapacity,
  storageClass,
  volumeAttachment,
  volumeAttributesClass,
  // admissionregistration.k8s.io
  mutatingWebhookConfiguration,
  validatingWebhookConfiguration,
  validatingAdmissionPolicy,
  validatingAdmissionPolicyBinding,
  // apiextensions.k8s.io
  customResourceDefinition,
  // scheduling.k8s.io
  priorityClass,
  // coordination.k8s.io
  lease,
  // node.k8s.io
  runtimeClass,
  // discovery.k8s.io
  endpointSlice,
  // resource.k8s.io
  deviceClass,
  resourceClaim,
  resourceClaimTemplate,
  resourceSlice,
  // flowcontrol.apiserver.k8s.io
  flowSchema,
  priorityLevelConfiguration,
];

export const builtinResources = all as readonly ResourceDeclaration<KubernetesObject>[];

const byPlural = new Map(
  builtinResources.map((declaration) => [`${declaration.gvk.group}/${declaration.gvk.version}/${declaration.plural}`, declaration]),
);

/** The declaration of a served resource, by its plural. */
export function findResource(group: string, version: string, plural: string): ResourceDeclaration | undefined {
  return byPlural.get(`${group}/${version}/${plural}`);
}

const byKind = new Map(
  builtinResources.map((declaration) => [`${declaration.gvk.group}/${declaration.gvk.version}/${declaration.gvk.kind}`, declaration]),
);

/** The declaration of a served resource, by its kind. */
export function findKind(group: string, version: string, kind: string): ResourceDeclaration | undefined {
  return byKind.get(`${group}/${version}/${kind}`);
}

export { podQOSClass, type QOSClass } from "./core/v1/pod/qos.js";
