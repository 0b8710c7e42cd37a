import {
  age,
  column,
  defineResource,
  defineTable,
  FieldPath,
  formatHumanDuration,
  name,
  statusSubresource,
  withStatus,
} from "@lenj/apimachinery";
import type { batchv1 } from "@lenj/proto/k8s";
import { selectorCell, templateCells } from "../../../table/cells.js";
import { generateSelector, setJobDefaults } from "./defaults.js";
import { validateJobSpec, validateJobUpdate } from "./validation.js";

const gvk = { group: "batch", version: "v1", kind: "Job" } as const;

export const job = defineResource<batchv1.Job>({
  gvk,
  plural: "jobs",
  scope: "Namespaced",
  storageVersionHash: "mudhfqk/qZY=",
  categories: ["all"],
  hasGeneration: true,
  defaultDeletionPolicy: "Orphan",
  defaults: setJobDefaults,
  strategy: withStatus({
    prepareForCreate: generateSelector,
    validateCreate: ({ spec }) => validateJobSpec(spec, FieldPath.of("spec")),
    validateUpdate: validateJobUpdate,
  }),
  subresources: [statusSubresource(gvk)],
  selectableFields: [{ label: "status.successful", value: ({ status }) => String(status?.succeeded ?? 0) }],
  table: defineTable<batchv1.Job>([
    name,
    [column("Status"), formatStatus],
    [column("Completions"), formatCompletions],
    [column("Duration"), formatDuration],
    age,
    ...templateCells<batchv1.Job>(({ spec }) => spec?.template),
    selectorCell<batchv1.Job>(({ spec }) => spec?.selector),
  ]),
});

function formatStatus({ metadata, status }: batchv1.Job): string {
  const has = (wanted: string): boolean =>
    status?.conditions?.some((condition) => condition.type === wanted && condition.status === "True") === true;
  if (has("Complete")) return "Complete";
  if (has("Failed")) return "Failed";
  if (metadata?.deletionTimestamp) return "Terminating";
  return ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find(has) ?? "Running";
}

function formatCompletions({ spec, status }: batchv1.Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function formatDuration({ status }: batchv1.Job, nowMs: number): string {
  if (!status?.startTime) return "";
  const endMs = status.completionTime ? Date.parse(status.completionTime) : nowMs;
  return formatHumanDuration(endMs - Date.parse(status.startTime));
}
