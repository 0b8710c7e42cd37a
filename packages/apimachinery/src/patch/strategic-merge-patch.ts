// Strategic merge patch: merging that knows which lists are maps.
//
// Owns:  the directives ($patch, $retainKeys, $setElementOrder/…, $deleteFromPrimitiveList/…) and list merging.
// Not:   which field has which strategy (the schema, through the port below).
// S1. Directives never reach the result.
// S2. A list item keeps its identity by merge key; items that the patch does not name keep their order among themselves.
// Source: k8s.io/apimachinery pkg/util/strategicpatch.
import { cloneJSON, isJSONObject, type JSONObject, type JSONValue } from "../meta/json.js";
import { normalizeOrder, sameElement } from "./element-order.js";
import { PatchError } from "./patch-error.js";

/** What the algorithm asks of a schema. A missing answer means: a map or an untyped value, merged key by key. */
export interface PatchSchema {
  field(name: string): PatchField | undefined;
}

export interface PatchField {
  readonly strategies: readonly ("merge" | "replace" | "retainKeys")[];
  readonly mergeKey: string | undefined;
  /** Schema of the object, or of the items of the list. */
  readonly child: PatchSchema | undefined;
}

const directive = "$patch";
const retainKeys = "$retainKeys";
const setElementOrder = "$setElementOrder/";
const deleteFromPrimitiveList = "$deleteFromPrimitiveList/";

/** The patched object; both arguments are left alone. Throws PatchError. */
export function applyStrategicMergePatch(original: JSONObject, patch: JSONObject, schema: PatchSchema): JSONObject {
  return mergeObject(cloneJSON(original), cloneJSON(patch), schema);
}

function mergeObject(original: JSONObject, patch: JSONObject, schema: PatchSchema | undefined): JSONObject {
  if (Object.hasOwn(patch, directive)) {
    const action = patch[directive];
    delete patch[directive];
    if (action === "replace") return dropDirectives(patch) as JSONObject;
    if (action === "delete") return {};
    if (action !== "merge") throw badDirective(action, patch);
  }
  if (Object.hasOwn(patch, retainKeys)) applyRetainKeys(original, patch);
  applyElementOrders(original, patch, schema);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deleteFromPrimitiveList)) {
      removePrimitives(original, key.slice(deleteFromPrimitiveList.length), value);
    } else if (value === null) {
      delete original[key];
    } else {
      mergeField(original, key, value, schema?.field(key));
    }
  }
  return original;
}

function mergeField(original: JSONObject, key: string, value: JSONValue, field: PatchField | undefined): void {
  const present = original[key];
  if (isJSONObject(present) && isJSONObject(value)) {
    original[key] = field?.strategies.includes("replace") ? dropDirectives(value) : mergeObject(present, value, field?.child);
  } else if (Array.isArray(present) && Array.isArray(value) && field?.strategies.includes("merge")) {
    original[key] = mergeList(present, value, field);
  } else {
    original[key] = dropDirectives(value);
  }
}

/** Keys outside the list are cleared from the live object, so that union members do not pile up. */
function applyRetainKeys(original: JSONObject, patch: JSONObject): void {
  const kept = patch[retainKeys];
  delete patch[retainKeys];
  if (!Array.isArray(kept)) throw malformed("invalid patch format of retainKeys");
  for (const [key, value] of Object.entries(patch)) {
    if (value !== null && !key.startsWith("$") && !kept.includes(key)) throw malformed("patch content doesn't match retainKeys list");
  }
  for (const key of Object.keys(original)) if (!kept.includes(key)) delete original[key];
}

function applyElementOrders(original: JSONObject, patch: JSONObject, schema: PatchSchema | undefined): void {
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(setElementOrder)) continue;
    const order = patch[key];
    delete patch[key];
    const name = key.slice(setElementOrder.length);
    if (!Array.isArray(order)) throw malformed(`expected a list for ${key}`);
    const field = schema?.field(name);
    const present = original[name];
    const wanted = patch[name];
    if (wanted === null) continue;
    delete patch[name];
    if (wanted !== undefined && !Array.isArray(wanted)) throw malformed(`expected a list for ${name}`);
    const mergeKey = field?.mergeKey;
    if (wanted !== undefined) checkOrder(wanted, order, mergeKey);
    let merged: JSONValue[];
    if (Array.isArray(present)) merged = wanted === undefined ? present : mergeList(present, wanted, field ?? emptyField);
    else if (wanted !== undefined) merged = dropDirectives(wanted) as JSONValue[];
    else continue;
    original[name] = normalizeOrder(merged, order, Array.isArray(present) ? present : [], mergeKey);
  }
}

const emptyField: PatchField = { strategies: [], mergeKey: undefined, child: undefined };

/** Every item that the patch sets must appear in the order list, in that order. */
function checkOrder(items: readonly JSONValue[], order: readonly JSONValue[], mergeKey: string | undefined): void {
  let from = 0;
  for (const item of items) {
    if (isJSONObject(item) && Object.hasOwn(item, directive)) continue;
    const position = order.findIndex((candidate, index) => index >= from && sameElement(candidate, item, mergeKey));
    if (position < 0)
      throw malformed(
        `The order in patch list:\n${JSON.stringify(items)}\n doesn't match $setElementOrder list:\n${JSON.stringify(order)}\n`,
      );
    from = position + 1;
  }
}

function mergeList(original: JSONValue[], patch: JSONValue[], field: PatchField): JSONValue[] {
  if (!field.strategies.includes("merge")) return dropDirectives(patch) as JSONValue[];
  if (patch.some(Array.isArray)) throw malformed("lists of lists are not supported");
  const first = patch[0] ?? original[0];
  if (!isJSONObject(first)) return mergePrimitives(original, patch);
  const { mergeKey } = field;
  if (mergeKey === undefined) throw malformed("cannot merge lists without merge key");
  const { base, items, replaced } = applySpecialItems(original, patch, mergeKey);
  if (replaced) return items.map((item) => dropDirectives(item));
  const before = [...base];
  const merged = [...base];
  for (const item of items) {
    const key = keyOf(item, mergeKey);
    const position = merged.findIndex((candidate) => isJSONObject(candidate) && candidate[mergeKey] === key);
    const live = merged[position];
    if (position >= 0 && isJSONObject(live)) merged[position] = mergeObject(live, item, field.child);
    else merged.push(dropDirectives(item));
  }
  return normalizeOrder(merged, items, before, mergeKey);
}

function mergePrimitives(original: JSONValue[], patch: JSONValue[]): JSONValue[] {
  const merged = [...new Set([...original, ...patch])];
  return normalizeOrder(merged, patch, original, undefined);
}

/** Deletions and the replace marker among the items of a patch list. */
function applySpecialItems(
  original: JSONValue[],
  patch: JSONValue[],
  mergeKey: string,
): { base: JSONValue[]; items: JSONObject[]; replaced: boolean } {
  let base = original;
  let replaced = false;
  const items: JSONObject[] = [];
  for (const item of patch) {
    if (!isJSONObject(item)) throw malformed(`expected a list of objects, found ${JSON.stringify(item)}`);
    const action = item[directive];
    if (action === undefined) {
      items.push(item);
    } else if (action === "delete") {
      const key = keyOf(item, mergeKey);
      base = base.filter((candidate) => !isJSONObject(candidate) || candidate[mergeKey] !== key);
    } else if (action === "replace") {
      replaced = true;
    } else if (action === "merge") {
      throw malformed("merging lists cannot yet be specified in the patch");
    } else {
      throw badDirective(action, item);
    }
  }
  return { base, items, replaced };
}

function keyOf(item: JSONObject, mergeKey: string): JSONValue {
  const value = item[mergeKey];
  if (value === undefined) throw malformed(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
  return value;
}

function removePrimitives(original: JSONObject, name: string, values: JSONValue): void {
  const present = original[name];
  if (!Array.isArray(values)) throw malformed(`expected a list for ${deleteFromPrimitiveList}${name}`);
  if (Array.isArray(present)) original[name] = present.filter((item) => !values.includes(item));
}

/** A value of the patch that becomes part of the object as it stands: without directives and without nulls. */
function dropDirectives(value: JSONValue): JSONValue {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !isJSONObject(item) || !Object.hasOwn(item, directive) || item[directive] === "merge")
      .map(dropDirectives);
  }
  if (!isJSONObject(value)) return value;
  if (value[directive] === "delete") return {};
  const kept: JSONObject = {};
  for (const [key, item] of Object.entries(value)) {
    if (key === directive || key === retainKeys || key.startsWith(setElementOrder) || key.startsWith(deleteFromPrimitiveList)) continue;
    if (item !== null) kept[key] = dropDirectives(item);
  }
  return kept;
}

function badDirective(action: JSONValue | undefined, where: JSONObject): PatchError {
  return malformed(
    typeof action === "string"
      ? `unknown patch type found: ${action} in ${JSON.stringify(where)}`
      : "invalid value for special key: $patch",
  );
}

function malformed(message: string): PatchError {
  return new PatchError("MALFORMED", message);
}
