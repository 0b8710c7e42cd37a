import {
  actionSubresource,
  age,
  column,
  coreUnknownFieldLabel,
  defineResource,
  defineTable,
  duplicate,
  type FieldError,
  FieldPath,
  forbidden,
  invalid,
  isLabelValue,
  name,
  statusSubresource,
  validateLabelName,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkCIDR, checkEach, checkOptionalRule } from "../../../validation/checks.js";
import { roundResourceList } from "../pod-spec/defaults.js";
import { validateTaintEffect } from "../pod-spec/scheduling-validation.js";

const gvk = { group: "", version: "v1", kind: "Node" } as const;
const specPath = FieldPath.of("spec");

export const node = defineResource<corev1.Node>({
  gvk,
  plural: "nodes",
  shortNames: ["no"],
  scope: "Cluster",
  storage: { prefix: "minions" },
  storageVersionHash: "XwShjMxG9Fs=",
  defaults({ spec, status }) {
    roundResourceList(status?.capacity);
    if (status !== undefined && status.allocatable === undefined && status.capacity !== undefined)
      status.allocatable = { ...status.capacity };
    roundResourceList(status?.allocatable);
    // Single and plural fields say the same.
    if (spec?.podCIDR && (spec.podCIDRs ?? []).length === 0) spec.podCIDRs = [spec.podCIDR];
    else if (spec?.podCIDRs?.[0] && !spec.podCIDR) spec.podCIDR = spec.podCIDRs[0];
  },
  // Kubelets register themselves with a status, so a new node may bring one.
  strategy: {
    resetFields: [["status"]],
    prepareForUpdate: (object, old) => void (object.status = old.status),
    validateCreate: validate,
    validateUpdate: (object, old) => [...validate(object), ...validateFixed(object, old)],
  },
  subresources: [
    actionSubresource("proxy", { group: "", version: "v1", kind: "NodeProxyOptions" }, ["create", "delete", "get", "patch", "update"]),
    statusSubresource(gvk),
  ],
  selectableFields: [{ label: "spec.unschedulable", value: ({ spec }) => String(spec?.unschedulable ?? false) }],
  unknownFieldLabel: coreUnknownFieldLabel,
  table: defineTable<corev1.Node>([
    name,
    [column("Status"), formatStatus],
    [column("Roles"), formatRoles],
    age,
    [column("Version"), ({ status }) => status?.nodeInfo?.kubeletVersion ?? ""],
    [column("Internal-IP", { wide: true }), (object) => addressOf(object, "InternalIP")],
    [column("External-IP", { wide: true }), (object) => addressOf(object, "ExternalIP")],
    [column("OS-Image", { wide: true }), ({ status }) => status?.nodeInfo?.osImage || "<unknown>"],
    [column("Kernel-Version", { wide: true }), ({ status }) => status?.nodeInfo?.kernelVersion || "<unknown>"],
    [column("Container-Runtime", { wide: true }), ({ status }) => status?.nodeInfo?.containerRuntimeVersion || "<unknown>"],
  ]),
});

function validate({ spec = {} }: corev1.Node): FieldError[] {
  const seen = new Set<string>();
  const taints = checkEach(spec.taints, specPath.child("taints"), (taint, at) => {
    const errors = [
      ...validateLabelName(taint.key ?? "", at.child("key")),
      ...checkOptionalRule(taint.value, at.child("value"), isLabelValue),
      ...validateTaintEffect(taint.effect, at.child("effect")),
    ];
    const key = `${taint.key}:${taint.effect}`;
    if (seen.has(key))
      errors.push({
        ...duplicate(at, taint),
        body: `Duplicate value: ${JSON.stringify(taint)}: taints must be unique by key and effect pair`,
      });
    seen.add(key);
    return errors;
  });
  return [...taints, ...checkEach(spec.podCIDRs, specPath.child("podCIDRs"), checkCIDR)];
}

function validateFixed({ spec = {} }: corev1.Node, { spec: old = {} }: corev1.Node): FieldError[] {
  const errors: FieldError[] = [];
  if ((old.podCIDRs ?? []).length > 0 && JSON.stringify(old.podCIDRs) !== JSON.stringify(spec.podCIDRs))
    errors.push(forbidden(specPath.child("podCIDRs"), 'node updates may not change podCIDR except from "" to valid'));
  if (old.providerID && old.providerID !== spec.providerID)
    errors.push(forbidden(specPath.child("providerID"), 'node updates may not change providerID except from "" to valid'));
  if (spec.configSource !== undefined && old.configSource === undefined)
    errors.push(invalid(specPath.child("configSource"), spec.configSource, "configSource is not supported"));
  return errors;
}

function formatStatus({ spec, status }: corev1.Node): string {
  const ready = status?.conditions?.find((condition) => condition.type === "Ready");
  const text = ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return spec?.unschedulable === true ? `${text},SchedulingDisabled` : text;
}

const rolePrefix = "node-role.kubernetes.io/";

function formatRoles({ metadata }: corev1.Node): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(metadata?.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === "kubernetes.io/role" && value !== "") roles.add(value);
  }
  return [...roles].sort().join(",") || "<none>";
}

function addressOf({ status }: corev1.Node, type: string): string {
  return status?.addresses?.find((address) => address.type === type)?.address ?? "<none>";
}
