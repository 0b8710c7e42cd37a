// Defaults of everything a pod template holds. Source: kubernetes pkg/apis/core/v1/defaults.go.
//
// F1. Idempotent: a second run changes nothing, so that `kubectl apply` finds nothing to do.
// F2. Pods get more than templates (see ../pod/defaults.ts); nothing here is for pods only.

import { Quantity } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { setVolumeDefaults } from "./volume-defaults.js";

export function setPodTemplateDefaults(template: corev1.PodTemplateSpec | undefined): void {
  if (template?.spec !== undefined) setPodSpecDefaults(template.spec);
}

export function setPodSpecDefaults(spec: corev1.PodSpec): void {
  spec.dnsPolicy ||= "ClusterFirst";
  spec.restartPolicy ||= "Always";
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= "default-scheduler";
  // Two names of one field: the older one mirrors the newer.
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else if (spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount;
  for (const volume of spec.volumes ?? []) setVolumeDefaults(volume);
  for (const container of spec.initContainers ?? []) setContainerDefaults(container);
  for (const container of spec.containers ?? []) setContainerDefaults(container);
  for (const container of spec.ephemeralContainers ?? []) setContainerDefaults(container);
  roundResources(spec.resources);
  roundResourceList(spec.overhead);
}

type ContainerLike = corev1.Container | corev1.EphemeralContainer;

export function setContainerDefaults(container: ContainerLike): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image);
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  container.resources ??= {};
  roundResources(container.resources);
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  for (const variable of container.env ?? []) {
    const fieldRef = variable.valueFrom?.fieldRef;
    if (fieldRef !== undefined) fieldRef.apiVersion ||= "v1";
    const fileKeyRef = variable.valueFrom?.fileKeyRef;
    if (fileKeyRef !== undefined) fileKeyRef.optional ??= false;
  }
  setProbeDefaults(container.livenessProbe);
  setProbeDefaults(container.readinessProbe);
  setProbeDefaults(container.startupProbe);
  setHTTPGetDefaults(container.lifecycle?.postStart?.httpGet);
  setHTTPGetDefaults(container.lifecycle?.preStop?.httpGet);
}

function setProbeDefaults(probe: corev1.Probe | undefined): void {
  if (probe === undefined) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  setHTTPGetDefaults(probe.httpGet);
  if (probe.grpc !== undefined) probe.grpc.service ??= "";
}

function setHTTPGetDefaults(action: corev1.HTTPGetAction | undefined): void {
  if (action === undefined) return;
  action.path ||= "/";
  action.scheme ||= "HTTP";
}

/** Images named `latest`, or not named at all, may change under the same name. */
export function defaultPullPolicy(image: string | undefined): "Always" | "IfNotPresent" {
  if (!image) return "IfNotPresent";
  const at = image.indexOf("@");
  const reference = at < 0 ? image : image.slice(0, at);
  const colon = reference.lastIndexOf(":");
  const tag = colon > reference.lastIndexOf("/") ? reference.slice(colon + 1) : "";
  if (tag === "") return at < 0 ? "Always" : "IfNotPresent";
  return tag === "latest" ? "Always" : "IfNotPresent";
}

function roundResources(resources: corev1.ResourceRequirements | undefined): void {
  roundResourceList(resources?.limits);
  roundResourceList(resources?.requests);
}

/** Nothing finer than a thousandth is accounted for. */
export function roundResourceList(list: Record<string, string> | undefined): void {
  if (list === undefined) return;
  for (const [resource, text] of Object.entries(list)) {
    if (!/[nu.]|e-/i.test(text)) continue;
    list[resource] = Quantity.parse(text).roundUp(-3).toString();
  }
}
