// Downward API: fields of the pod and resources of its containers as text. Upstream: pkg/fieldpath, pkg/api/v1/resource.
import type { corev1 } from "@lenj/proto/k8s";
import { KubeletCoreError } from "../errors.js";
import { parseAmount } from "../resources/amount.js";

/** What the downward API may tell besides the pod object itself. */
export interface DownwardFacts {
  readonly pod: corev1.Pod;
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
  /** Default of limits that the container does not set. */
  readonly allocatable: Readonly<Record<string, string>>;
}

/** Text of a fieldRef path. Throws KubeletCoreError "CONFIG" for a path that does not exist. */
export function fieldRefText(path: string, facts: DownwardFacts): string {
  const { metadata, spec } = facts.pod;
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (subscript !== null) return (subscript[1] === "labels" ? metadata?.labels : metadata?.annotations)?.[subscript[2] ?? ""] ?? "";
  switch (path) {
    case "metadata.name":
      return metadata?.name ?? "";
    case "metadata.namespace":
      return metadata?.namespace ?? "";
    case "metadata.uid":
      return metadata?.uid ?? "";
    case "metadata.labels":
      return formatMap(metadata?.labels ?? {});
    case "metadata.annotations":
      return formatMap(metadata?.annotations ?? {});
    case "spec.nodeName":
      return spec?.nodeName ?? "";
    case "spec.serviceAccountName":
      return spec?.serviceAccountName ?? "";
    case "status.hostIP":
      return facts.hostIPs[0] ?? "";
    case "status.hostIPs":
      return facts.hostIPs.join(",");
    case "status.podIP":
      return facts.podIPs[0] ?? "";
    case "status.podIPs":
      return facts.podIPs.join(",");
    default:
      throw new KubeletCoreError("CONFIG", `unsupported fieldPath: ${path}`);
  }
}

/** Text of a resourceFieldRef ("limits.cpu") of one container. Throws KubeletCoreError "CONFIG". */
export function resourceFieldText(
  ref: { readonly resource: string; readonly divisor?: string | number | undefined },
  container: corev1.Container,
  facts: DownwardFacts,
): string {
  const match = /^(limits|requests)\.(.+)$/.exec(ref.resource);
  if (match === null) throw new KubeletCoreError("CONFIG", `unsupported container resource : ${ref.resource}`);
  const name = match[2] as string;
  const limits = container.resources?.limits ?? {};
  const quantity =
    match[1] === "limits" ? (limits[name] ?? facts.allocatable[name]) : (container.resources?.requests?.[name] ?? limits[name]);
  const value = quantity === undefined ? 0 : (parseAmount(quantity) ?? 0);
  const divisor = ref.divisor === undefined || ref.divisor === "" || ref.divisor === "0" ? 1 : (parseAmount(ref.divisor) ?? 1);
  // Thousandths keep the division of 250m by 1m exact.
  return String(Math.ceil(Number(((Math.round(value * 1000) / Math.round(divisor * 1e6)) * 1000).toFixed(6))));
}

/** One `key="value"` line per entry, sorted by key, values quoted as Go does. */
export function formatMap(map: Readonly<Record<string, string>>): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${quote(map[key] ?? "")}`)
    .join("\n");
}

const shortEscapes: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  '"': '\\"',
  "\\": "\\\\",
};

// Go's %q: letters of every script stay, control characters become escapes.
function quote(text: string): string {
  const escaped = text.replace(/["\\\p{Cc}\p{Zl}\p{Zp}]/gu, (letter) => {
    const code = letter.charCodeAt(0);
    return shortEscapes[letter] ?? (code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`);
  });
  return `"${escaped}"`;
}
