// Selector strings as the fake server evaluates them: the whole label grammar, and any path in field selectors.
import type { KubeObject } from "../api-client.js";

export function matchesLabelSelector(selector: string | undefined, labels: Readonly<Record<string, string>> = {}): boolean {
  return splitRequirements(selector ?? "").every((requirement) => matchesRequirement(requirement, labels));
}

/** "metadata.name=web,status.phase!=Failed"; a missing field equals the empty string. */
export function matchesFieldSelector(selector: string | undefined, object: KubeObject): boolean {
  return (selector ?? "")
    .split(",")
    .filter((term) => term !== "")
    .every((term) => {
      const [, path = "", operator, value = ""] = /^([^=!]+)(==|=|!=)(.*)$/.exec(term) ?? [];
      const actual = String(
        path.split(".").reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], object) ?? "",
      );
      return operator === "!=" ? actual !== value : actual === value;
    });
}

function splitRequirements(selector: string): string[] {
  return (selector.match(/(?:[^,(]|\([^)]*\))+/g) ?? []).map((part) => part.trim()).filter((part) => part !== "");
}

function matchesRequirement(requirement: string, labels: Readonly<Record<string, string>>): boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(requirement);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const isIn = list.split(",").some((value) => value.trim() === labels[key]);
    return operator === "in" ? isIn : !isIn;
  }
  const equality = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(requirement);
  if (equality !== null) {
    const [, key = "", operator, value = ""] = equality;
    return operator === "!=" ? labels[key] !== value : labels[key] === value;
  }
  if (requirement.startsWith("!")) return labels[requirement.slice(1).trim()] === undefined;
  return labels[requirement] !== undefined;
}
