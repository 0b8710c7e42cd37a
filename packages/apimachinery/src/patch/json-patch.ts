// JSON patch, RFC 6902, with the error texts of the library upstream uses.
import { semanticEqual } from "../meta/equality.js";
import { cloneJSON, isJSONObject, type JSONValue } from "../meta/json.js";
import { PatchError } from "./patch-error.js";

export const jsonPatchOperationsMax = 10_000;

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from: string | undefined;
  readonly hasValue: boolean;
  readonly value: JSONValue;
}

/** The patched document; `document` is left alone. Throws PatchError. */
export function applyJSONPatch(document: JSONValue, patch: JSONValue): JSONValue {
  const operations = decodeOperations(patch);
  let result = cloneJSON(document);
  for (const operation of operations) result = applyOperation(result, operation);
  return result;
}

function decodeOperations(patch: JSONValue): Operation[] {
  if (!Array.isArray(patch)) {
    const what = isJSONObject(patch) ? "object" : typeof patch;
    throw new PatchError("MALFORMED", `json: cannot unmarshal ${what} into Go value of type jsonpatch.Patch`);
  }
  if (patch.length > jsonPatchOperationsMax) {
    throw new PatchError("TOO_LARGE", `The allowed maximum operations in a JSON patch is ${jsonPatchOperationsMax}, got ${patch.length}`);
  }
  return patch.map((item) => {
    if (!isJSONObject(item)) throw new PatchError("MALFORMED", "json: cannot unmarshal value into Go value of type jsonpatch.Operation");
    const { op, path, from } = item;
    return {
      op: typeof op === "string" ? op : "unknown",
      path: typeof path === "string" ? path : "unknown",
      from: typeof from === "string" ? from : undefined,
      hasValue: Object.hasOwn(item, "value"),
      value: item["value"] ?? null,
    };
  });
}

function applyOperation(document: JSONValue, operation: Operation): JSONValue {
  const { op, path } = operation;
  switch (op) {
    case "add":
      return add(document, path, cloneJSON(operation.value));
    case "remove":
      return remove(document, path);
    case "replace":
      return replace(document, path, cloneJSON(operation.value));
    case "move": {
      const value = read(document, operation.from, "move");
      return add(remove(document, operation.from ?? ""), path, value);
    }
    case "copy":
      return add(document, path, cloneJSON(read(document, operation.from, "copy")));
    case "test":
      test(document, operation);
      return document;
    default:
      throw new PatchError("INAPPLICABLE", `Unexpected kind: ${op}`);
  }
}

/** The path's container and last segment. Undefined when a step on the way does not exist. */
function locate(document: JSONValue, path: string): { container: JSONValue[] | Record<string, JSONValue>; key: string } | undefined {
  const segments = path.split("/");
  if (segments.length < 2) return undefined;
  const key = unescapeSegment(segments.at(-1) ?? "");
  let node: JSONValue | undefined = document;
  for (const segment of segments.slice(1, -1)) {
    node = child(node, unescapeSegment(segment));
    if (node === undefined) return undefined;
  }
  return Array.isArray(node) || isJSONObject(node) ? { container: node, key } : undefined;
}

function child(node: JSONValue | undefined, key: string): JSONValue | undefined {
  if (Array.isArray(node)) return /^(0|[1-9][0-9]*)$/.test(key) ? node[Number(key)] : undefined;
  return isJSONObject(node) && Object.hasOwn(node, key) ? node[key] : undefined;
}

function unescapeSegment(segment: string): string {
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}

function add(document: JSONValue, path: string, value: JSONValue): JSONValue {
  if (path === "") return value;
  const place = locate(document, path);
  if (place === undefined) throw inapplicable(`add operation does not apply: doc is missing path: "${path}": missing value`);
  const { container, key } = place;
  if (!Array.isArray(container)) {
    container[key] = value;
  } else if (key === "-") {
    container.push(value);
  } else {
    const position = Number(key);
    if (!/^-?[0-9]+$/.test(key)) throw inapplicable(`error in add for path: '${path}': value was not a proper array index: '${key}'`);
    if (position < 0 || position > container.length)
      throw inapplicable(`error in add for path: '${path}': Unable to access invalid index: ${key}: invalid index referenced`);
    container.splice(position, 0, value);
  }
  return document;
}

function remove(document: JSONValue, path: string): JSONValue {
  const place = locate(document, path);
  if (place === undefined) throw inapplicable(`remove operation does not apply: doc is missing path: "${path}": missing value`);
  const { container, key } = place;
  if (Array.isArray(container)) {
    if (child(container, key) === undefined)
      throw inapplicable(`error in remove for path: '${path}': Unable to access invalid index: ${key}: invalid index referenced`);
    container.splice(Number(key), 1);
  } else {
    if (!Object.hasOwn(container, key))
      throw inapplicable(`error in remove for path: '${path}': Unable to remove nonexistent key: ${key}: missing value`);
    delete container[key];
  }
  return document;
}

function replace(document: JSONValue, path: string, value: JSONValue): JSONValue {
  if (path === "") return value;
  const place = locate(document, path);
  if (place === undefined) throw inapplicable(`replace operation does not apply: doc is missing path: ${path}: missing value`);
  const { container, key } = place;
  if (child(container, key) === undefined)
    throw inapplicable(`replace operation does not apply: doc is missing key: ${path}: missing value`);
  if (Array.isArray(container)) container[Number(key)] = value;
  else container[key] = value;
  return document;
}

function read(document: JSONValue, from: string | undefined, op: string): JSONValue {
  const place = from === undefined ? undefined : locate(document, from);
  const value = place === undefined ? undefined : child(place.container, place.key);
  if (value === undefined)
    throw inapplicable(`${op} operation does not apply: doc is missing from path: ${from ?? "unknown"}: missing value`);
  return value;
}

function test(document: JSONValue, operation: Operation): void {
  const place = operation.path === "" ? undefined : locate(document, operation.path);
  const actual = operation.path === "" ? document : place === undefined ? undefined : child(place.container, place.key);
  // A test for null passes where nothing is: there is no other way to test for absence.
  const equal = actual === undefined ? operation.value === null : strictEqual(actual, operation.value);
  if (!equal) throw inapplicable(`testing value ${operation.path} failed: test failed`);
}

function strictEqual(a: JSONValue, b: JSONValue): boolean {
  if (Array.isArray(a) !== Array.isArray(b) || (a === null) !== (b === null)) return false;
  return semanticEqual(a, b);
}

function inapplicable(message: string): PatchError {
  return new PatchError("INAPPLICABLE", message);
}
