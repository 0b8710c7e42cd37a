// Components of custom resources: their definition's schema as it is, completed with what every object has.
import type { GroupVersionKind } from "../meta/object.js";
import type { OpenAPIResource } from "./paths.js";
import type { OpenAPISchema } from "./schemas.js";

const metaPackage = "io.k8s.apimachinery.pkg.apis.meta.v1";

/** "stable.example.com", v1, CronTab -> "com.example.stable.v1.CronTab". */
export function customName({ group, version, kind }: GroupVersionKind): string {
  return [...group.split(".").reverse(), version, kind].join(".");
}

/** The kind and its list, by component name. */
export function customDefinitions(resource: OpenAPIResource): Record<string, OpenAPISchema> {
  const { gvk, listKind, definition = {} } = resource;
  const own = customName(gvk);
  const listGVK = { ...gvk, kind: listKind };
  const properties = (definition["properties"] ?? {}) as Record<string, unknown>;
  const object = {
    ...definition,
    type: "object",
    properties: {
      ...properties,
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { allOf: [{ $ref: `#/components/schemas/${metaPackage}.ObjectMeta` }] },
    },
    "x-kubernetes-group-version-kind": [kindEntry(gvk)],
  };
  const list = {
    description: `A list of ${gvk.kind} objects.`,
    type: "object",
    required: ["items"],
    properties: {
      apiVersion: { type: "string" },
      items: { type: "array", items: { $ref: `#/components/schemas/${own}` } },
      kind: { type: "string" },
      metadata: { allOf: [{ $ref: `#/components/schemas/${metaPackage}.ListMeta` }] },
    },
    "x-kubernetes-group-version-kind": [kindEntry(listGVK)],
  };
  return { [own]: object, [customName(listGVK)]: list };
}

function kindEntry({ group, kind, version }: GroupVersionKind): GroupVersionKind {
  return { group, kind, version };
}
