// From a write to the questions that admission asks about it.
import type { GroupVersionKind, KubernetesObject } from "@lenj/apimachinery";
import type { AdmissionAttributes, AdmissionOperation } from "../admission/ports.js";
import type { Call } from "./call.js";

export interface AdmissionSubject {
  readonly operation: AdmissionOperation;
  readonly object: KubernetesObject | undefined;
  readonly oldObject: KubernetesObject | undefined;
  readonly dryRun: boolean;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Kind of `object` where it is not the endpoint's own. */
  readonly kind?: GroupVersionKind;
  /** Where the URL names none: the object's. */
  readonly name?: string;
}

export function attributesOf(call: Call, subject: AdmissionSubject): AdmissionAttributes {
  const { declaration, subresource } = call.endpoint;
  const { group, version } = declaration.gvk;
  const name = call.name !== "" ? call.name : (subject.name ?? subject.object?.metadata?.name ?? "");
  const isNamespace = group === "" && declaration.plural === "namespaces";
  return {
    operation: subject.operation,
    kind: subject.kind ?? subresource?.gvk ?? declaration.gvk,
    resource: { group, version, resource: declaration.plural },
    subresource: subresource?.name ?? "",
    namespace: isNamespace ? name : call.namespace,
    name,
    object: subject.object,
    oldObject: subject.oldObject,
    dryRun: subject.dryRun,
    user: call.user,
    options: subject.options ?? {},
    signal: call.signal,
    addWarning: (text) => call.warnings.add(text),
  };
}
