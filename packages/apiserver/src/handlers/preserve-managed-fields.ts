import { newMethodNotSupported } from "@lenj/apimachinery";
import { groupResourceOf } from "./call.js";
import type { ManagedFieldsTracker } from "./managed-fields.js";

/** Keeps what is there and tracks nothing. */
export const preservingTracker: ManagedFieldsTracker = {
  onCreate(object) {
    delete object.metadata?.managedFields;
  },
  onUpdate(object, old) {
    if (object.metadata !== undefined && object.metadata.managedFields === undefined && old.metadata?.managedFields !== undefined)
      object.metadata.managedFields = old.metadata.managedFields;
  },
  apply(_live, { call }) {
    throw newMethodNotSupported(groupResourceOf(call), "apply");
  },
};
