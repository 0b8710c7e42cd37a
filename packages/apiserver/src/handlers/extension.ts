// What a resource does beside writing its object: allocate an address, release a port, end in its own way.
import type { DeleteOptions, DeleteOutcome, KubernetesObject, RequestContext } from "@lenj/apimachinery";
import type { Call } from "./call.js";

/** Called once after the write: with true when the object was stored, with false when the write failed or was a dry run. */
export type FinishWrite = (committed: boolean) => Promise<void>;

export interface ResourceExtension {
  /** Runs before preparation and validation; may fill in `object`. Throws StatusError to refuse. */
  beginCreate?(object: KubernetesObject, call: Call, dryRun: boolean): Promise<FinishWrite>;
  beginUpdate?(object: KubernetesObject, old: KubernetesObject, call: Call, dryRun: boolean): Promise<FinishWrite>;
  afterDelete?(object: KubernetesObject): Promise<void>;
  /** In place of the usual steps of a deletion. */
  beforeDelete?(object: KubernetesObject, options: DeleteOptions, context: RequestContext): DeleteOutcome;
  /** In place of "being deleted and without finalizers". */
  isReadyForRemoval?(object: KubernetesObject): boolean;
}

export const nothingToFinish: FinishWrite = () => Promise.resolve();
