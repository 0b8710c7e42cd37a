// Image names as registries understand them. Upstream: pkg/util/parsers, distribution/reference.
import { KubeletCoreError } from "../errors.js";

const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const domain =
  "(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?";
const reference = new RegExp(
  `^(?:${domain}/)?${component}(?:/${component})*(:[\\w][\\w.-]{0,127})?(@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$`,
);

/** The name with ":latest" where it carries neither tag nor digest. Throws KubeletCoreError "INVALID_IMAGE_NAME". */
export function withDefaultTag(name: string): string {
  const match = reference.exec(name);
  if (match === null) {
    const why = /[A-Z]/.test(
      name
        .replace(/[:@].*$/, "")
        .split("/")
        .slice(1)
        .join("/") ||
        name.split(":")[0] ||
        "",
    )
      ? "repository name must be lowercase"
      : "invalid reference format";
    throw new KubeletCoreError(
      "INVALID_IMAGE_NAME",
      `Failed to apply default image tag ${JSON.stringify(name)}: couldn't parse image name ${JSON.stringify(name)}: ${why === "invalid reference format" ? why : `invalid reference format: ${why}`}`,
    );
  }
  return match[1] === undefined && match[2] === undefined ? `${name}:latest` : name;
}

export type PullPolicy = "Always" | "IfNotPresent" | "Never";

/** Policy of a container that names none: Always for ":latest", else IfNotPresent. */
export function pullPolicyOf(image: string, policy: string | undefined): PullPolicy {
  if (policy === "Always" || policy === "IfNotPresent" || policy === "Never") return policy;
  return /:latest$/.test(image) ? "Always" : "IfNotPresent";
}

/** Registry host of a name: what pull secrets are looked up by. */
export function registryOf(name: string): string {
  const first = name.split("/")[0] ?? "";
  return name.includes("/") && (first.includes(".") || first.includes(":") || first === "localhost") ? first : "docker.io";
}
