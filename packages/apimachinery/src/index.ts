export type { Status, StatusCause, StatusDetails, StatusReason } from "./errors/status.js";
export * from "./errors/status-error.js";
export * as field from "./field/field-error.js";
export * from "./field/field-error.js";
export { FieldPath } from "./field/path.js";
export { semanticEqual } from "./meta/equality.js";
export { generateName, generateUID } from "./meta/generate-name.js";
export {
  type IntOrString,
  percentOf,
  scaleIntOrPercent,
  validateNotOver100Percent,
  validatePositiveIntOrPercent,
} from "./meta/int-or-string.js";
export { cloneJSON, isJSONObject, type JSONObject, type JSONValue } from "./meta/json.js";
export {
  formatAPIVersion,
  formatGroupResource,
  type GroupResource,
  type GroupVersionKind,
  type KubernetesObject,
  type ManagedFieldsEntry,
  metadataOf,
  type ObjectMeta,
  type OwnerReference,
  parseAPIVersion,
} from "./meta/object.js";
export { applyJSONPatch, jsonPatchOperationsMax } from "./patch/json-patch.js";
export { applyMergePatch } from "./patch/merge-patch.js";
export { PatchError, type PatchErrorCode, patchErrorToStatus } from "./patch/patch-error.js";
export { applyStrategicMergePatch, type PatchField, type PatchSchema } from "./patch/strategic-merge-patch.js";
export { canonicalQuantity, Quantity, QuantityError, type QuantityErrorCode, type QuantityFormat } from "./quantity/quantity.js";
export { formatMicroTime, formatTime, type RequestContext, type RequestUser } from "./resource/context.js";
export { beforeCreate, ensureNamespace, initializeNewObject } from "./resource/create.js";
export type * from "./resource/declaration.js";
export {
  actionSubresource,
  allVerbs,
  coreUnknownFieldLabel,
  defineResource,
  objectSubresource,
  type ResourceSpec,
  scaleSubresource,
  specChanges,
  statusSubresource,
  withStatus,
} from "./resource/define.js";
export {
  beforeDelete,
  type DeleteOptions,
  type DeleteOutcome,
  isReadyForRemoval,
  type PropagationPolicy,
  validateDeleteOptions,
} from "./resource/delete.js";
export { beforeUpdate } from "./resource/update.js";
export {
  escapeFieldValue,
  type FieldRequirement,
  formatFieldSelector,
  matchesFieldSelector,
  parseFieldSelector,
} from "./selector/field-selector.js";
export {
  compileLabelMap,
  compileLabelSelector,
  formatLabelSelector,
  formatLabels,
  type LabelSelector,
  type LabelSelectorRequirement,
  type Labels,
  newRequirement,
  type Requirement,
  type RequirementOperator,
  Selector,
  SelectorError,
} from "./selector/label-selector.js";
export { parseLabelSelector } from "./selector/parse-label-selector.js";
export {
  age,
  ageColumn,
  column,
  defaultTable,
  defineTable,
  formatAge,
  name,
  nameAndAgeTable,
  nameColumn,
  type TableCellSource,
} from "./table/columns.js";
export type { ColumnDefinition, RowCondition, TableCell, TableDefinition } from "./table/table.js";
export { formatHumanDuration } from "./time/human-duration.js";
export * from "./validation/labels.js";
export * from "./validation/names.js";
export * from "./validation/object-meta.js";
