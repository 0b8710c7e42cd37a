import { column, coreUnknownFieldLabel, defineResource, defineTable, FieldPath, formatLabels, name } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { containerImages, containerNames } from "../../../table/cells.js";
import { setPodTemplateDefaults } from "../pod-spec/defaults.js";
import { validatePodTemplate } from "../pod-spec/validation.js";
import { podTemplateWarnings } from "../pod-spec/warnings.js";

const templatePath = FieldPath.of("template");
const validate = ({ template }: corev1.PodTemplate) => validatePodTemplate(template ?? {}, templatePath);

export const podTemplate = defineResource<corev1.PodTemplate>({
  gvk: { group: "", version: "v1", kind: "PodTemplate" },
  plural: "podtemplates",
  scope: "Namespaced",
  storageVersionHash: "LIXB2x4IFpk=",
  hasGeneration: true,
  defaults: ({ template }) => setPodTemplateDefaults(template),
  strategy: {
    validateCreate: validate,
    validateUpdate: validate,
    warningsOnCreate: ({ template }) => podTemplateWarnings(template, templatePath),
  },
  unknownFieldLabel: coreUnknownFieldLabel,
  returnsDeletedObject: true,
  table: defineTable<corev1.PodTemplate>([
    name,
    [column("Containers"), ({ template }) => containerNames(template)],
    [column("Images"), ({ template }) => containerImages(template)],
    [column("Pod Labels"), ({ template }) => formatLabels(template?.metadata?.labels)],
  ]),
});
