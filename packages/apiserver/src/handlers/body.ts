// Request bodies as objects: decoding, strictness, agreement with the URL.
import { field, formatAPIVersion, type GroupVersionKind, type KubernetesObject, newBadRequest, newInvalid } from "@lenj/apimachinery";
import type { DecodedObject, ObjectCodec } from "../core/codec.js";
import type { BodyEncoding } from "../core/media-type.js";
import type { Call, WriteOptions } from "./call.js";

export interface RequestBody {
  readonly bytes: Uint8Array;
  readonly encoding: BodyEncoding;
}

/** Decodes a body as `kind` and treats what a strict decoder minds as `fieldValidation` says. */
export function decodeBody(
  codec: ObjectCodec,
  call: Call,
  body: RequestBody,
  kind: GroupVersionKind,
  options: Pick<WriteOptions, "fieldValidation">,
): KubernetesObject {
  const decoded = codec.decode(body.bytes, body.encoding, kind);
  checkStrictness(decoded, call, options, (problems) =>
    newBadRequest(
      `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: strict decoding error: ${problems}`,
    ),
  );
  return decoded.object;
}

/** Brings the result of a patch to normal form, with the wording of patches for what a strict decoder minds. */
export function normalizePatched(
  codec: ObjectCodec,
  call: Call,
  patched: KubernetesObject,
  subject: { kind: GroupVersionKind; patchText: string },
  options: Pick<WriteOptions, "fieldValidation">,
): KubernetesObject {
  const { kind, patchText } = subject;
  let decoded: DecodedObject;
  try {
    decoded = codec.normalize(patched, kind);
  } catch (error) {
    throw newInvalid({ group: "", kind: "" }, "", [field.invalid("patch", patchText, (error as Error).message)]);
  }
  checkStrictness(decoded, call, options, (problems) =>
    newInvalid({ group: kind.group, kind: kind.kind }, call.name, [
      field.invalid("patch", patchText, `strict decoding error: ${problems}`),
    ]),
  );
  return decoded.object;
}

function checkStrictness(
  decoded: DecodedObject,
  call: Call,
  options: Pick<WriteOptions, "fieldValidation">,
  refuse: (problems: string) => Error,
): void {
  if (decoded.strictProblems.length === 0 || options.fieldValidation === "Ignore") return;
  if (options.fieldValidation === "Strict") throw refuse(decoded.strictProblems.join(", "));
  for (const problem of decoded.strictProblems) call.warnings.add(problem);
}

/** The object named in the body must be the one in the URL. Source: handlers/rest.go checkName. */
export function checkName(object: KubernetesObject, call: Call): void {
  const { name = "", namespace = "" } = object.metadata ?? {};
  if (name === "") throw newBadRequest(`the name of the object (${call.name} based on URL) was undeterminable: name must be provided`);
  if (name !== call.name) throw newBadRequest(`the name of the object (${name}) does not match the name on the URL (${call.name})`);
  if (call.namespace !== "" && namespace !== "" && namespace !== call.namespace) {
    throw newBadRequest(`the namespace of the object (${namespace}) does not match the namespace on the request (${call.namespace})`);
  }
}

export function apiVersionOf(kind: GroupVersionKind): string {
  return formatAPIVersion(kind.group, kind.version);
}
