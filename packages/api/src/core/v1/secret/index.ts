import { age, column, coreUnknownFieldLabel, defineResource, defineTable, name } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { setSecretDefaults } from "./defaults.js";
import { validateSecret, validateSecretUpdate } from "./validation.js";

export const secret = defineResource<corev1.Secret>({
  gvk: { group: "", version: "v1", kind: "Secret" },
  plural: "secrets",
  scope: "Namespaced",
  storageVersionHash: "S6u1pOWzb84=",
  defaults: setSecretDefaults,
  strategy: {
    // Clients that leave the type out of an update mean the stored one.
    prepareForUpdate: (object, old) => void (object.type ||= old.type),
    validateCreate: validateSecret,
    validateUpdate: validateSecretUpdate,
  },
  selectableFields: [{ label: "type", value: ({ type }) => type ?? "" }],
  unknownFieldLabel: coreUnknownFieldLabel,
  table: defineTable<corev1.Secret>([
    name,
    [column("Type", { description: "What the secret is for." }), ({ type }) => type ?? ""],
    [column("Data", { description: "Number of entries." }), ({ data }) => String(Object.keys(data ?? {}).length)],
    age,
  ]),
});
