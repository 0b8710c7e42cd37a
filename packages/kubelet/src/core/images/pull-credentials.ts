// Credentials from image pull secrets. Upstream: pkg/credentialprovider.
import { registryOf } from "./image-name.js";

export interface RegistryCredential {
  readonly username: string;
  readonly password: string;
}

interface DockerAuth {
  readonly username?: string;
  readonly password?: string;
  /** base64 of "user:password". */
  readonly auth?: string;
}

/**
 * Credentials for `image` in the texts of docker config files (`.dockerconfigjson`, or the older `.dockercfg`), most
 * specific entry first. Texts that are not JSON are skipped, as upstream does: the pull is then tried without.
 */
export function pullCredentials(image: string, configs: readonly string[], decodeBase64: (text: string) => string): RegistryCredential[] {
  const found: { specificity: number; credential: RegistryCredential }[] = [];
  for (const text of configs) {
    for (const [registry, auth] of authEntries(text)) {
      const key = registry
        .replace(/^https?:\/\//, "")
        .replace(/\/v[12]\/?$/, "")
        .replace(/\/$/, "");
      if (!matches(key, image)) continue;
      const credential = credentialOf(auth, decodeBase64);
      if (credential !== undefined) found.push({ specificity: key.length, credential });
    }
  }
  return found.sort((left, right) => right.specificity - left.specificity).map((entry) => entry.credential);
}

function authEntries(text: string): [string, DockerAuth][] {
  try {
    const parsed = JSON.parse(text) as { auths?: Record<string, DockerAuth> } & Record<string, DockerAuth>;
    return Object.entries(parsed.auths ?? (parsed as Record<string, DockerAuth>));
  } catch {
    // Not a docker config: nothing to find in it.
    return [];
  }
}

function matches(key: string, image: string): boolean {
  const hub = ["index.docker.io", "docker.io", "registry-1.docker.io"];
  const [host = "", ...path] = key.split("/");
  const registry = registryOf(image);
  const sameHost = host === registry || (hub.includes(host) && registry === "docker.io") || matchesGlob(host, registry);
  if (!sameHost) return false;
  const repository = image.startsWith(`${registry}/`) ? image.slice(registry.length + 1) : image;
  return path.length === 0 || repository === path.join("/") || repository.startsWith(`${path.join("/")}/`);
}

function matchesGlob(pattern: string, host: string): boolean {
  if (!pattern.includes("*")) return false;
  const wanted = pattern.split(".");
  const actual = host.split(".");
  return (
    wanted.length === actual.length &&
    wanted.every((part, position) => new RegExp(`^${part.replace(/[^\w*-]/g, "\\$&").replaceAll("*", ".*")}$`).test(actual[position] ?? ""))
  );
}

function credentialOf(auth: DockerAuth, decodeBase64: (text: string) => string): RegistryCredential | undefined {
  if (auth.username !== undefined && auth.password !== undefined) return { username: auth.username, password: auth.password };
  if (auth.auth === undefined) return undefined;
  const text = decodeBase64(auth.auth);
  const colon = text.indexOf(":");
  return colon === -1 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
