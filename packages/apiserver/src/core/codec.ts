// What the handlers ask of the schema machinery: bytes to objects and back.
import type { GroupVersionKind, KubernetesObject, PatchSchema } from "@lenj/apimachinery";
import type { BodyEncoding } from "./media-type.js";

export interface DecodedObject {
  /** In normal form: quantities canonical, nulls dropped, declared defaults set. */
  readonly object: KubernetesObject;
  /** What a strict decoder minds: `unknown field "spec.foo"`, `duplicate field "spec.bar"`. */
  readonly strictProblems: readonly string[];
}

export interface ObjectCodec {
  /**
   * Reads a request body as `kind` (used where the body names none). Throws StatusError BadRequest in upstream's words when it cannot be read
   * or is of another kind or version.
   */
  decode(bytes: Uint8Array, encoding: BodyEncoding, kind: GroupVersionKind): DecodedObject;
  /** The same for data that was parsed already, such as the result of a patch. */
  normalize(data: KubernetesObject, kind: GroupVersionKind): DecodedObject;
  /** What strategic merge patch needs to know of the kind; undefined where that patch does not exist (custom resources). */
  patchSchema(kind: GroupVersionKind): PatchSchema | undefined;
  hasProtobuf(kind: GroupVersionKind): boolean;
  /** The enveloped protobuf form. */
  encodeProtobuf(object: KubernetesObject, kind: GroupVersionKind): Uint8Array;
  /** As it lies in the store; without resourceVersion. */
  encodeStored(object: KubernetesObject, kind: GroupVersionKind): Uint8Array;
  /** Reads either form. Throws Error when the value is damaged. */
  decodeStored(bytes: Uint8Array): KubernetesObject;
}
