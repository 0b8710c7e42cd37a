import {
  age,
  column,
  coreUnknownFieldLabel,
  defineResource,
  defineTable,
  FieldPath,
  invalid,
  isQualifiedName,
  name,
  nameIsDNSLabel,
  objectSubresource,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";

const gvk = { group: "", version: "v1", kind: "Namespace" } as const;
const finalizersPath = FieldPath.of("spec", "finalizers");

export const namespace = defineResource<corev1.Namespace>({
  gvk,
  plural: "namespaces",
  shortNames: ["ns"],
  scope: "Cluster",
  verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
  storageVersionHash: "Q3oi5N2YM8M=",
  validateName: nameIsDNSLabel,
  defaults({ metadata }) {
    // Selectable by name, whoever made it; generated names get it in prepareForCreate.
    if (metadata?.name) (metadata.labels ??= {})["kubernetes.io/metadata.name"] = metadata.name;
  },
  strategy: withStatus({
    prepareForCreate(object) {
      object.status = { phase: "Active" };
      if (object.metadata?.name) (object.metadata.labels ??= {})["kubernetes.io/metadata.name"] = object.metadata.name;
      const finalizers = object.spec?.finalizers ?? [];
      if (!finalizers.includes("kubernetes")) object.spec = { ...object.spec, finalizers: [...finalizers, "kubernetes"] };
    },
    // Only the finalize endpoint may take these away.
    prepareForUpdate: (object, old) => void (object.spec = { ...object.spec, finalizers: old.spec?.finalizers ?? [] }),
    validateCreate: validateFinalizers,
  }),
  subresources: [
    objectSubresource(
      "finalize",
      gvk,
      {
        resetFields: [["status"]],
        prepareForUpdate: (object, old) => void (object.status = old.status),
        validateUpdate: validateFinalizers,
      },
      ["update"],
    ),
    statusSubresource(gvk, {
      validateUpdate(object) {
        const phase = object.status?.phase;
        const at = FieldPath.of("status", "Phase");
        if (object.metadata?.deletionTimestamp)
          return phase === "Terminating" ? [] : [invalid(at, phase ?? "", "may only be 'Terminating' if `deletionTimestamp` is not empty")];
        return phase === "Active" ? [] : [invalid(at, phase ?? "", "may only be 'Active' if `deletionTimestamp` is empty")];
      },
    }),
  ],
  selectableFields: [
    { label: "status.phase", value: ({ status }) => status?.phase ?? "" },
    { label: "name", value: ({ metadata }) => metadata?.name ?? "" },
  ],
  unknownFieldLabel: coreUnknownFieldLabel,
  returnsDeletedObject: true,
  table: defineTable<corev1.Namespace>([
    name,
    [column("Status", { description: "Active, or Terminating while its content is removed." }), ({ status }) => status?.phase ?? ""],
    age,
  ]),
});

function validateFinalizers({ spec }: corev1.Namespace) {
  return (spec?.finalizers ?? []).flatMap((finalizer, position) => {
    const at = finalizersPath.index(position);
    const malformed = isQualifiedName(finalizer).map((message) => invalid(finalizersPath, finalizer, message));
    if (!finalizer.includes("/") && finalizer !== "kubernetes")
      malformed.push(invalid(at, finalizer, "name is neither a standard finalizer name nor is it fully qualified"));
    return malformed;
  });
}
