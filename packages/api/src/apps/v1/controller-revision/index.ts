import {
  age,
  column,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  name,
  parseAPIVersion,
  required,
  validateImmutable,
  validateNonNegative,
} from "@lenj/apimachinery";
import type { appsv1 } from "@lenj/proto/k8s";

export const controllerRevision = defineResource<appsv1.ControllerRevision>({
  gvk: { group: "apps", version: "v1", kind: "ControllerRevision" },
  plural: "controllerrevisions",
  scope: "Namespaced",
  storageVersionHash: "85nkx63pcBU=",
  strategy: {
    validateCreate: (object) =>
      object.data === undefined ? [...validate(object), required("data", "data is mandatory")] : validate(object),
    validateUpdate: (object, old) => [...validate(object), ...validateImmutable(object.data, old.data, FieldPath.of("data"))],
  },
  table: defineTable<appsv1.ControllerRevision>([
    name,
    [column("Controller", { description: "Owner whose state this is." }), formatController],
    [column("Revision", { description: "Number of the state." }), ({ revision }) => String(revision ?? 0)],
    age,
  ]),
});

function validate({ revision }: appsv1.ControllerRevision): FieldError[] {
  return validateNonNegative(revision, FieldPath.of("revision"));
}

function formatController({ metadata }: appsv1.ControllerRevision): string {
  const owner = metadata?.ownerReferences?.find((reference) => reference.controller === true);
  if (owner === undefined) return "<none>";
  const { group } = parseAPIVersion(owner.apiVersion);
  const kind = owner.kind.toLowerCase();
  return `${group === "" ? kind : `${kind}.${group}`}/${owner.name}`;
}
