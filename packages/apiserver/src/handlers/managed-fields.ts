// Who owns which field: the bookkeeping of metadata.managedFields around writes.
import type { KubernetesObject } from "@lenj/apimachinery";
import type { Call, WriteOptions } from "./call.js";

export interface FieldWrite {
  readonly call: Call;
  readonly options: WriteOptions;
}

export interface ApplyRequest extends FieldWrite {
  /** The patch, decoded. */
  readonly config: KubernetesObject;
  readonly force: boolean;
}

export interface ManagedFieldsTracker {
  /** The writer owns everything it sent. Runs on the object as it will be stored. */
  onCreate(object: KubernetesObject, write: FieldWrite): void;
  /** Ownership moves with what changed between `old` and `object`. */
  onUpdate(object: KubernetesObject, old: KubernetesObject, write: FieldWrite): void;
  /** Server-side apply onto `live` (undefined: does not exist). Returns the merged object with its managed fields. Throws StatusError Conflict. */
  apply(live: KubernetesObject | undefined, request: ApplyRequest): KubernetesObject;
}
