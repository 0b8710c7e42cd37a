import type { corev1 } from "@lenj/proto/k8s";

/** Containers that say nothing get at most `max`, and ask for what they may have. */
export function setLimitRangeDefaults({ spec }: corev1.LimitRange): void {
  for (const item of spec?.limits ?? []) {
    if (item.type !== "Container") continue;
    item.default = { ...item.max, ...item.default };
    item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest };
    if (Object.keys(item.default).length === 0) delete item.default;
    if (Object.keys(item.defaultRequest).length === 0) delete item.defaultRequest;
  }
}
