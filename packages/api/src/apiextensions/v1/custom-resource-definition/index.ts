import { defineResource, type FieldError, FieldPath, invalid, required, statusSubresource, withStatus } from "@lenj/apimachinery";
import type { apiextensionsv1 } from "@lenj/proto/k8s";

const gvk = { group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" } as const;

export const customResourceDefinition = defineResource<apiextensionsv1.CustomResourceDefinition>({
  gvk,
  plural: "customresourcedefinitions",
  scope: "Cluster",
  storageVersionHash: "jfWCUB31mvA=",
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  storage: { prefix: "apiextensions.k8s.io/customresourcedefinitions" },
  defaults(object) {
    const { spec } = object;
    if (spec === undefined) return;
    if (spec.names !== undefined) {
      spec.names.singular ||= (spec.names.kind ?? "").toLowerCase();
      spec.names.listKind ||= `${spec.names.kind ?? ""}List`;
    }
    (spec.conversion ??= { strategy: "None" }).strategy ||= "None";
    if (spec.conversion.webhook?.clientConfig?.service !== undefined) spec.conversion.webhook.clientConfig.service.port ??= 443;
  },
  strategy: withStatus({
    prepareForCreate(object) {
      const stored = object.spec?.versions?.find((version) => version.storage)?.name;
      object.status = { storedVersions: stored === undefined ? [] : [stored] };
    },
    validateCreate: validate,
    validateUpdate: validate,
  }),
  subresources: [statusSubresource(gvk)],
});

function validate({ metadata, spec }: apiextensionsv1.CustomResourceDefinition): FieldError[] {
  const path = FieldPath.of("spec");
  const wanted = `${spec?.names?.plural ?? ""}.${spec?.group ?? ""}`;
  const errors: FieldError[] =
    metadata?.name === wanted ? [] : [invalid("metadata.name", metadata?.name ?? "", 'must be spec.names.plural+"."+spec.group')];
  if (!spec?.group) errors.push(required(path.child("group")));
  if (!spec?.names?.plural) errors.push(required(path.child("names", "plural")));
  if (!spec?.names?.kind) errors.push(required(path.child("names", "kind")));
  const stored = (spec?.versions ?? []).filter((version) => version.storage).length;
  if (stored !== 1)
    errors.push(invalid(path.child("versions"), spec?.versions ?? [], "must have exactly one version marked as storage version"));
  return errors;
}
