import type { RequestContext } from "@lenj/apimachinery";
import type { batchv1 } from "@lenj/proto/k8s";
import { setPodTemplateDefaults } from "../../../core/v1/pod-spec/defaults.js";

const int32Max = 2 ** 31 - 1;

export function setJobDefaults(job: batchv1.Job): void {
  const { spec } = job;
  if (spec === undefined) return;
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : int32Max;
  const labels = spec.template?.metadata?.labels;
  if (labels !== undefined && Object.keys(job.metadata?.labels ?? {}).length === 0) (job.metadata ??= {}).labels = { ...labels };
  spec.completionMode ??= "NonIndexed";
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? "TerminatingOrFailed" : "Failed";
  setPodTemplateDefaults(spec.template);
}

/** A job finds its pods by its own uid, unless it brings a selector of its own. */
export function generateSelector(job: batchv1.Job, _context: RequestContext): void {
  const { spec, metadata } = job;
  if (spec === undefined || spec.manualSelector === true) return;
  const uid = metadata?.uid ?? "";
  const name = metadata?.name ?? "";
  const template = (spec.template ??= {});
  const labels = ((template.metadata ??= {}).labels ??= {});
  Object.assign(labels, {
    "controller-uid": uid,
    "batch.kubernetes.io/controller-uid": uid,
    "job-name": name,
    "batch.kubernetes.io/job-name": name,
  });
  spec.selector ??= {};
  (spec.selector.matchLabels ??= {})["batch.kubernetes.io/controller-uid"] ??= uid;
}
