// What the write handlers ask of admission. Plugins live beside this file, one each.
import type { Authorizer, KubeObject, ObjectReader, PostStartHook, UserInfo } from "../auth/ports.js";

export type AdmissionOperation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";

/** One write about to happen. */
export interface AdmissionAttributes {
  readonly operation: AdmissionOperation;
  /** Kind of `object`; for subresources the kind of the body (Scale, Binding, Eviction, ...). */
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly resource: { readonly group: string; readonly version: string; readonly resource: string };
  /** Empty for the resource itself. */
  readonly subresource: string;
  /** Empty for cluster-scoped resources. For a Namespace object it is the namespace's own name, as upstream has it. */
  readonly namespace: string;
  /** Empty on create with generateName until the name is made, and for deletecollection. */
  readonly name: string;
  /** The new state: mutating plugins change it in place; validating ones must not. Undefined for DELETE. */
  readonly object: KubeObject | undefined;
  /** The stored state for UPDATE and DELETE. Shared: never mutate it. */
  readonly oldObject: KubeObject | undefined;
  readonly dryRun: boolean;
  readonly user: UserInfo;
  /** DeleteOptions, CreateOptions, ... in JSON form, as far as given. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  /** Sent to the client as a Warning header. */
  addWarning(text: string): void;
}

/**
 * One admission plugin. A rejection is a thrown StatusError (newForbidden for policy, newInvalid for fields).
 * `admit` may change `attributes.object` and runs for all plugins first; `validate` sees the final object after the
 * resource's own validation order of upstream: admit → defaulting and strategy → validate.
 */
export interface AdmissionPlugin {
  /** As in --enable-admission-plugins. */
  readonly name: string;
  handles(operation: AdmissionOperation): boolean;
  admit?(attributes: AdmissionAttributes): void | Promise<void>;
  validate?(attributes: AdmissionAttributes): void | Promise<void>;
}

/** Everything that src/admission gives to the server, plugins in upstream's order. */
export interface AdmissionModule {
  readonly plugins: readonly AdmissionPlugin[];
  readonly hooks: readonly PostStartHook[];
  close(): Promise<void>;
}

export interface AdmissionDependencies {
  readonly reader: ObjectReader;
  /** For plugins that ask about further rights. Undefined: nobody has any. */
  readonly authorizer?: Authorizer | undefined;
  readonly tolerationSeconds: { readonly notReady: number; readonly unreachable: number };
  readonly enabled: readonly string[];
  readonly disabled: readonly string[];
}
