import {
  age,
  column,
  coreUnknownFieldLabel,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  immutableMessage,
  invalid,
  name,
  Quantity,
  semanticEqual,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { roundResourceList } from "../pod-spec/defaults.js";
import { isIntegerResource, validateResourceName } from "../resources/resource-names.js";

const gvk = { group: "", version: "v1", kind: "ResourceQuota" } as const;

export const resourceQuota = defineResource<corev1.ResourceQuota>({
  gvk,
  plural: "resourcequotas",
  shortNames: ["quota"],
  scope: "Namespaced",
  storageVersionHash: "8uhSgffRX6w=",
  defaults: ({ spec }) => roundResourceList(spec?.hard),
  strategy: withStatus({
    validateCreate: validate,
    validateUpdate(object, old) {
      const changed = !semanticEqual(object.spec?.scopes, old.spec?.scopes);
      return changed ? [...validate(object), invalid("spec.scopes", object.spec?.scopes, immutableMessage)] : validate(object);
    },
  }),
  subresources: [statusSubresource(gvk)],
  unknownFieldLabel: coreUnknownFieldLabel,
  returnsDeletedObject: true,
  table: defineTable<corev1.ResourceQuota>([
    name,
    [
      column("Request", { description: "Used and allowed requests, and counts of objects." }),
      (object) => formatUse(object, (resource) => !resource.startsWith("limits.")),
    ],
    [
      column("Limit", { description: "Used and allowed limits." }),
      (object) => formatUse(object, (resource) => resource.startsWith("limits.")),
    ],
    age,
  ]),
});

function formatUse({ status }: corev1.ResourceQuota, wanted: (resource: string) => boolean): string {
  return Object.keys(status?.hard ?? {})
    .filter(wanted)
    .sort()
    .map((resource) => `${resource}: ${status?.used?.[resource] ?? "0"}/${status?.hard?.[resource] ?? ""}`)
    .join(", ");
}

const scopes = [
  "Terminating",
  "NotTerminating",
  "BestEffort",
  "NotBestEffort",
  "PriorityClass",
  "CrossNamespacePodAffinity",
  "VolumeAttributesClass",
];

function validate({ spec = {} }: corev1.ResourceQuota): FieldError[] {
  const errors: FieldError[] = [];
  for (const [resource, text] of Object.entries(spec.hard ?? {})) {
    const at = FieldPath.of("spec", "hard").key(resource);
    errors.push(...validateResourceName(resource, at));
    const quantity = Quantity.parse(text);
    if (quantity.sign() < 0) errors.push(invalid(at, text, "must be greater than or equal to 0"));
    else if (isIntegerResource(resource) && quantity.milliValue() % 1000 !== 0) errors.push(invalid(at, text, "must be an integer"));
  }
  const path = FieldPath.of("spec", "scopes");
  const named = spec.scopes ?? [];
  for (const scope of named) if (!scopes.includes(scope)) errors.push(invalid(path, named, "unsupported scope"));
  if (
    (named.includes("BestEffort") && named.includes("NotBestEffort")) ||
    (named.includes("Terminating") && named.includes("NotTerminating"))
  ) {
    errors.push(invalid(path, named, "conflicting scopes"));
  }
  return errors;
}
