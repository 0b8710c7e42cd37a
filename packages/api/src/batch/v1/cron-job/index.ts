import {
  age,
  column,
  defineResource,
  defineTable,
  type FieldError,
  FieldPath,
  formatAge,
  invalid,
  name,
  required,
  statusSubresource,
  validateNonNegative,
  withStatus,
} from "@lenj/apimachinery";
import type { batchv1 } from "@lenj/proto/k8s";
import { setPodTemplateDefaults } from "../../../core/v1/pod-spec/defaults.js";
import { selectorCell, templateCells } from "../../../table/cells.js";
import { checkOneOf } from "../../../validation/checks.js";
import { validateJobTemplateSpec } from "../job/validation.js";

const gvk = { group: "batch", version: "v1", kind: "CronJob" } as const;

export const cronJob = defineResource<batchv1.CronJob>({
  gvk,
  plural: "cronjobs",
  scope: "Namespaced",
  storageVersionHash: "sd5LIXh4Fjs=",
  shortNames: ["cj"],
  categories: ["all"],
  hasGeneration: true,
  defaults({ spec }) {
    if (spec === undefined) return;
    spec.concurrencyPolicy ||= "Allow";
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    setPodTemplateDefaults(spec.jobTemplate?.spec?.template);
  },
  strategy: withStatus({ validateCreate: validate, validateUpdate: validate }),
  subresources: [statusSubresource(gvk)],
  table: defineTable<batchv1.CronJob>([
    name,
    [column("Schedule"), ({ spec }) => spec?.schedule ?? ""],
    [column("Timezone"), ({ spec }) => spec?.timeZone ?? "<none>"],
    [column("Suspend", { type: "boolean" }), ({ spec }) => (spec?.suspend === true ? "True" : "False")],
    [column("Active", { type: "integer" }), ({ status }) => (status?.active ?? []).length],
    [column("Last Schedule"), ({ status }, nowMs) => (status?.lastScheduleTime ? formatAge(status.lastScheduleTime, nowMs) : "<none>")],
    age,
    ...templateCells<batchv1.CronJob>(({ spec }) => spec?.jobTemplate?.spec?.template),
    selectorCell<batchv1.CronJob>(({ spec }) => spec?.jobTemplate?.spec?.selector),
  ]),
});

function validate({ metadata, spec }: batchv1.CronJob): FieldError[] {
  const path = FieldPath.of("spec");
  const errors: FieldError[] = [];
  // Eleven more characters make the names of its jobs.
  if ((metadata?.name ?? "").length > 52) errors.push(invalid("metadata.name", metadata?.name, "must be no more than 52 characters"));
  if (!spec?.schedule) errors.push(required(path.child("schedule")));
  else {
    const fields = spec.schedule.trim().split(/\s+/);
    if (!spec.schedule.startsWith("@") && fields.length !== 5)
      errors.push(
        invalid(path.child("schedule"), spec.schedule, `expected exactly 5 fields, found ${fields.length}: [${fields.join(" ")}]`),
      );
  }
  errors.push(...checkOneOf(spec?.concurrencyPolicy, path.child("concurrencyPolicy"), ["Allow", "Forbid", "Replace"]));
  for (const field of ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] as const)
    errors.push(...validateNonNegative(spec?.[field], path.child(field)));
  return [...errors, ...validateJobTemplateSpec(spec?.jobTemplate?.spec, path.child("jobTemplate", "spec"))];
}
