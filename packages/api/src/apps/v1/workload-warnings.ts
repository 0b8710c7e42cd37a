import { FieldPath, isDNS1123Label, type KubernetesObject } from "@lenj/apimachinery";
import type { corev1 } from "@lenj/proto/k8s";
import { podTemplateWarnings } from "../../core/v1/pod-spec/warnings.js";

/** Warnings for a workload whose name becomes part of pod names; pass no object to leave its name out. */
export function workloadNameWarnings(object: KubernetesObject | undefined, template: corev1.PodTemplateSpec | undefined): string[] {
  const name = object?.metadata?.name;
  const problems = name === undefined ? [] : isDNS1123Label(name);
  const warnings =
    problems.length === 0
      ? []
      : [
          `metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${problems.join(" ")}]`,
        ];
  return [...warnings, ...podTemplateWarnings(template, FieldPath.of("spec", "template"))];
}
