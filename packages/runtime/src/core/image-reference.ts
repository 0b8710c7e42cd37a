// Names of images: parsing and the normal form that docker and containerd use.
// Source: distribution/reference grammar (repository names, tags, digests, the docker.io defaults).

export interface ImageReference {
  /** "docker.io", "registry.k8s.io", "localhost:5000" */
  readonly registry: string;
  /** "library/busybox" */
  readonly repository: string;
  readonly tag: string | undefined;
  /** "sha256:…" */
  readonly digest: string | undefined;
}

const nameLengthMax = 255;
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const domain =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const tagForm = /^\w[\w.-]{0,127}$/;
const digestForm = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;

/** Parses what a pod says ("busybox", "quay.io/a/b:1@sha256:…"). Throws RangeError with upstream's text. */
export function parseImageReference(text: string): ImageReference {
  const invalid = (reason: string): RangeError => new RangeError(`failed to parse image reference "${text}": ${reason}`);
  let rest = text;
  let digest: string | undefined;
  const at = rest.indexOf("@");
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    if (!digestForm.test(digest)) throw invalid("invalid reference format");
    if (digest.startsWith("sha256:") && digest.length !== "sha256:".length + 64) throw invalid("invalid checksum digest length");
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(":");
  if (colon > rest.lastIndexOf("/")) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!tagForm.test(tag)) throw invalid("invalid reference format");
  }
  const { registry, repository } = splitRegistry(rest);
  if (/[A-Z]/.test(repository)) throw invalid("repository name must be lowercase");
  if (!domain.test(registry) || !repository.split("/").every((part) => component.test(part))) throw invalid("invalid reference format");
  if (registry.length + 1 + repository.length > nameLengthMax)
    throw invalid(`repository name must not be more than ${nameLengthMax} characters`);
  return { registry, repository, tag: tag ?? (digest === undefined ? "latest" : undefined), digest };
}

/** The full name with all that is known: "docker.io/library/busybox:latest". */
export function formatImageReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
  return `${reference.registry}/${reference.repository}${tag}${digest}`;
}

/** The name without tag and digest, as used in repo digests. */
export function formatRepository(reference: ImageReference): string {
  return `${reference.registry}/${reference.repository}`;
}

/** True for "sha256:…" and for 64 (or a unique prefix of) hexadecimal digits: what ListImages calls an ID. */
export function isImageID(text: string): boolean {
  return /^(sha256:)?[0-9a-f]{64}$/.test(text);
}

function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isRegistry = first.includes(".") || first.includes(":") || first === "localhost" || /[A-Z]/.test(first);
  const registry = isRegistry ? first : "docker.io";
  const path = isRegistry ? name.slice(slash + 1) : name;
  if (registry !== "docker.io" && registry !== "index.docker.io") return { registry, repository: path };
  return { registry: "docker.io", repository: path.includes("/") ? path : `library/${path}` };
}
