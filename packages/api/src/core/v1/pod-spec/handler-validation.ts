// Probes and lifecycle hooks. Source: kubernetes pkg/apis/core/validation (validateHandler, validateProbe, validateLifecycle).
import {
  type FieldError,
  type FieldPath,
  forbidden,
  invalid,
  isHTTPHeaderName,
  isPortName,
  isPortNumber,
  notSupported,
  required,
  validateNonNegative,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { checkPort } from "../../../validation/checks.js";

type Handler = corev1.ProbeHandler & Pick<corev1.LifecycleHandler, "sleep">;

const portRules = { number: isPortNumber, name: isPortName };

export function validateProbes(container: corev1.Container, path: FieldPath, gracePeriod: number | undefined): FieldError[] {
  return [
    ...validateLiveness(container.livenessProbe, path.child("livenessProbe"), gracePeriod),
    ...validateReadiness(container.readinessProbe, path.child("readinessProbe"), gracePeriod),
    ...validateLiveness(container.startupProbe, path.child("startupProbe"), gracePeriod),
  ];
}

/** Liveness and startup: one success decides. */
function validateLiveness(probe: corev1.Probe | undefined, path: FieldPath, gracePeriod: number | undefined): FieldError[] {
  if (probe === undefined) return [];
  const errors = validateProbe(probe, path, gracePeriod);
  if (probe.successThreshold !== 1) errors.push(invalid(path.child("successThreshold"), probe.successThreshold ?? 0, "must be 1"));
  return errors;
}

function validateReadiness(probe: corev1.Probe | undefined, path: FieldPath, gracePeriod: number | undefined): FieldError[] {
  if (probe === undefined) return [];
  const errors = validateProbe(probe, path, gracePeriod);
  if (probe.terminationGracePeriodSeconds !== undefined) {
    errors.push(
      invalid(path.child("terminationGracePeriodSeconds"), probe.terminationGracePeriodSeconds, "must not be set for readinessProbes"),
    );
  }
  return errors;
}

const counters = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] as const;

function validateProbe(probe: corev1.Probe, path: FieldPath, gracePeriod: number | undefined): FieldError[] {
  const errors = [
    ...validateHandler(probe, path, gracePeriod),
    ...counters.flatMap((field) => validateNonNegative(probe[field], path.child(field))),
  ];
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) errors.push(invalid(path.child("terminationGracePeriodSeconds"), grace, "must be greater than 0"));
  return errors;
}

export function validateLifecycle(
  lifecycle: corev1.Lifecycle | undefined,
  path: FieldPath,
  options: { gracePeriod: number | undefined; os: string | undefined },
): FieldError[] {
  if (lifecycle === undefined) return [];
  const errors: FieldError[] = [];
  for (const hook of ["postStart", "preStop"] as const) {
    const handler = lifecycle[hook];
    if (handler !== undefined) errors.push(...validateHandler(handler, path.child(hook), options.gracePeriod));
  }
  if (lifecycle.stopSignal !== undefined && !options.os)
    errors.push(forbidden(path.child("stopSignal"), "may not be set for containers with empty `spec.os.name`"));
  return errors;
}

function validateHandler(handler: Handler, path: FieldPath, gracePeriod: number | undefined): FieldError[] {
  const checks: [string, FieldError[] | undefined][] = [
    ["exec", handler.exec && validateExec(handler.exec, path.child("exec"))],
    ["httpGet", handler.httpGet && validateHTTPGet(handler.httpGet, path.child("httpGet"))],
    ["tcpSocket", handler.tcpSocket && checkPort(handler.tcpSocket.port, path.child("tcpSocket", "port"), portRules)],
    ["grpc", handler.grpc && checkPort(handler.grpc.port, path.child("grpc", "port"), portRules)],
    ["sleep", handler.sleep && validateSleep(handler.sleep, path.child("sleep"), gracePeriod)],
  ];
  const present = checks.filter((check): check is [string, FieldError[]] => check[1] !== undefined);
  if (present.length === 0) return [required(path, "must specify a handler type")];
  const [first, ...others] = present;
  return [...(first?.[1] ?? []), ...others.map(([field]) => forbidden(path.child(field), "may not specify more than 1 handler type"))];
}

function validateExec(action: corev1.ExecAction, path: FieldPath): FieldError[] {
  return (action.command ?? []).length === 0 ? [required(path.child("command"))] : [];
}

function validateHTTPGet(action: corev1.HTTPGetAction, path: FieldPath): FieldError[] {
  const errors: FieldError[] = action.path ? [] : [required(path.child("path"))];
  errors.push(...checkPort(action.port, path.child("port"), portRules));
  if (action.scheme !== "HTTP" && action.scheme !== "HTTPS")
    errors.push(notSupported(path.child("scheme"), action.scheme ?? "", ["HTTP", "HTTPS"]));
  for (const header of action.httpHeaders ?? []) {
    for (const message of isHTTPHeaderName(header.name)) errors.push(invalid(path.child("httpHeaders"), header.name, message));
  }
  return errors;
}

function validateSleep({ seconds }: corev1.SleepAction, path: FieldPath, gracePeriod: number | undefined): FieldError[] {
  if (gracePeriod === undefined || (seconds >= 0 && seconds <= gracePeriod)) return [];
  return [invalid(path, seconds, `must be non-negative and less than terminationGracePeriodSeconds (${gracePeriod})`)];
}
