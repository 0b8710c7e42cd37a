// Reads manifests and blobs from OCI and docker registries, mirrors first.
//
// Owns:  tokens of one pull, the order of hosts.
// H1. Content is used only when its digest is the one asked for.
// H2. Credentials go to the registry they are for, never to a mirror's or a redirect's host.
// Source: OCI distribution specification; docker's token authentication.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { Agent, fetch, type Response } from "undici";
import { RuntimeError } from "../../core/errors.js";
import type { ImageReference } from "../../core/image-reference.js";

export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
  readonly identityToken: string;
  readonly registryToken: string;
}

export interface RegistryHost {
  /** "https://registry-1.docker.io" */
  readonly base: string;
  readonly isMirror: boolean;
}

export interface FetchedManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly body: Buffer;
}

const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");
const manifestBytesMax = 8 * 1024 * 1024;

/** Where to ask for images of `registry`, in order. `hasCertificates`: a CA is configured for it, so it speaks TLS also on loopback. */
export function hostsFor(registry: string, mirrors: readonly string[], hasCertificates = false): RegistryHost[] {
  const own = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const host = own.split(":")[0] ?? "";
  const isLoopback = host === "localhost" || host.startsWith("127.") || own.startsWith("[::1]");
  const scheme = isLoopback && !hasCertificates ? "http" : "https";
  return [
    ...mirrors.map((mirror) => ({ base: mirror.replace(/\/+$/, ""), isMirror: true })),
    { base: `${scheme}://${own}`, isMirror: false },
  ];
}

/** A registry's connections; with its own CA when `<directory>/<host[:port]>/ca.crt` is there, as docker and containerd keep it. */
function agentFor(base: string, certificatesDirectory: string | undefined): Agent {
  const own = registryCA(new URL(base).host, certificatesDirectory);
  return new Agent(own === undefined ? {} : { connect: { ca: [...rootCertificates, own] } });
}

/** The CA certificates for a registry, PEM; undefined where the system's are enough. Throws RuntimeError UNKNOWN when it cannot be read. */
export function registryCA(host: string, certificatesDirectory: string | undefined): string | undefined {
  if (certificatesDirectory === undefined || certificatesDirectory === "") return undefined;
  try {
    return readFileSync(join(certificatesDirectory, host, "ca.crt"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new RuntimeError("UNKNOWN", `failed to read the registry's CA certificate: ${(error as Error).message}`, { cause: error });
  }
}

export class RegistryClient {
  readonly #tokens = new Map<string, string>();
  readonly #agents = new Map<string, Agent>();

  constructor(
    private readonly reference: ImageReference,
    private readonly hosts: readonly RegistryHost[],
    private readonly credentials: RegistryCredentials | undefined,
    private readonly certificatesDirectory?: string,
  ) {}

  /** Ends all connections, also of bodies that are not read to their end. */
  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  }

  #agent(base: string): Agent {
    const known = this.#agents.get(base);
    if (known !== undefined) return known;
    const agent = agentFor(base, this.certificatesDirectory);
    this.#agents.set(base, agent);
    return agent;
  }

  /** Throws RuntimeError NOT_FOUND when no host has it, UNKNOWN for anything else. */
  async manifest(tagOrDigest: string, signal: AbortSignal): Promise<FetchedManifest> {
    const response = await this.#get(`manifests/${tagOrDigest}`, { accept: manifestTypes }, signal);
    const body = Buffer.from(await response.arrayBuffer());
    if (body.length > manifestBytesMax)
      throw new RuntimeError("UNKNOWN", `manifest has ${body.length} bytes, must be at most ${manifestBytesMax}`);
    const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
    const expected = tagOrDigest.includes(":") ? tagOrDigest : response.headers.get("docker-content-digest");
    if (expected?.startsWith("sha256:") && expected !== digest)
      throw new RuntimeError("FAILED_PRECONDITION", `manifest digest mismatch: expected ${expected}, got ${digest}`);
    return { digest, mediaType: (response.headers.get("content-type") ?? "").split(";")[0] ?? "", body };
  }

  /** The blob from byte `from` on; `offset` in the answer says where it really begins (0 when the host cannot resume). */
  async blob(digest: string, from: number, signal: AbortSignal): Promise<{ offset: number; body: ReadableStream<Uint8Array> }> {
    const response = await this.#get(`blobs/${digest}`, from > 0 ? { range: `bytes=${from}-` } : {}, signal);
    if (response.body === null) throw new RuntimeError("UNKNOWN", `blob ${digest} came without content`);
    return { offset: response.status === 206 ? from : 0, body: response.body as ReadableStream<Uint8Array> };
  }

  async #get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const problems: RuntimeError[] = [];
    for (const host of this.hosts) {
      const url = `${host.base}/v2/${this.reference.repository}/${path}${host.isMirror ? `?ns=${encodeURIComponent(this.reference.registry)}` : ""}`;
      try {
        return await this.#getFrom(host, url, headers, signal);
      } catch (error) {
        signal.throwIfAborted();
        problems.push(
          error instanceof RuntimeError
            ? error
            : new RuntimeError("UNKNOWN", `failed to do request: Get "${url}": ${describeFetchError(error)}`, { cause: error }),
        );
      }
    }
    // The registry itself, asked last, decides what kind of failure it is; a mirror's refusal is only a detail.
    const own = problems.at(-1);
    const notFound = problems.find((problem) => problem.code === "NOT_FOUND");
    throw own?.code === "UNKNOWN" && notFound !== undefined && this.hosts.length > 1
      ? notFound
      : (own ?? new RuntimeError("UNKNOWN", "no registry host to ask"));
  }

  async #getFrom(host: RegistryHost, url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const send = (): Promise<Response> => {
      const authorization = this.#tokens.get(host.base);
      return fetch(url, {
        headers: { "user-agent": "lenj/0.1", ...headers, ...(authorization === undefined ? {} : { authorization }) },
        redirect: "follow",
        signal,
        dispatcher: this.#agent(host.base),
      });
    };
    let response = await send();
    if (response.status === 401) {
      await response.arrayBuffer();
      await this.#authenticate(host, response.headers.get("www-authenticate") ?? "", signal);
      response = await send();
    }
    if (response.ok) return response;
    const text = (await response.text()).slice(0, 500);
    if (response.status === 404) throw new RuntimeError("NOT_FOUND", `${url.split("?")[0]}: not found`);
    if (response.status === 401 || response.status === 403)
      throw new RuntimeError(
        "UNKNOWN",
        `pull access denied, repository does not exist or may require authorization: ${describeDenial(text, response)}`,
      );
    throw new RuntimeError("UNKNOWN", `unexpected status from GET request to ${url}: ${response.status} ${response.statusText}`);
  }

  async #authenticate(host: RegistryHost, challenge: string, signal: AbortSignal): Promise<void> {
    const credentials = host.isMirror ? undefined : this.credentials;
    const basic =
      credentials === undefined || credentials.username === ""
        ? undefined
        : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`;
    if (/^basic/i.test(challenge)) {
      if (basic !== undefined) this.#tokens.set(host.base, basic);
      return;
    }
    if (credentials !== undefined && credentials.registryToken !== "") {
      this.#tokens.set(host.base, `Bearer ${credentials.registryToken}`);
      return;
    }
    const parameters = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]]));
    const realm = parameters["realm"];
    if (realm === undefined) return;
    const token = await fetchToken(realm, {
      service: parameters["service"] ?? "",
      scope: parameters["scope"] ?? `repository:${this.reference.repository}:pull`,
      basic,
      identityToken: credentials?.identityToken ?? "",
      dispatcher: this.#agent(new URL(realm).origin),
      signal,
    });
    this.#tokens.set(host.base, `Bearer ${token}`);
  }
}

async function fetchToken(
  realm: string,
  options: {
    service: string;
    scope: string;
    basic: string | undefined;
    identityToken: string;
    dispatcher: Agent;
    signal: AbortSignal;
  },
): Promise<string> {
  let response: Response;
  if (options.identityToken !== "") {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      service: options.service,
      client_id: "lenj",
      scope: options.scope,
      refresh_token: options.identityToken,
    });
    response = await fetch(realm, { method: "POST", body: form, signal: options.signal, dispatcher: options.dispatcher });
  } else {
    const url = new URL(realm);
    if (options.service !== "") url.searchParams.set("service", options.service);
    url.searchParams.set("scope", options.scope);
    response = await fetch(url, {
      headers: options.basic === undefined ? {} : { authorization: options.basic },
      signal: options.signal,
      dispatcher: options.dispatcher,
    });
  }
  if (!response.ok)
    throw new RuntimeError(
      "UNKNOWN",
      `failed to authorize: failed to fetch oauth token: unexpected status: ${response.status} ${response.statusText}`,
    );
  const answer = (await response.json()) as { token?: string; access_token?: string };
  const token = answer.token ?? answer.access_token;
  if (token === undefined) throw new RuntimeError("UNKNOWN", "failed to authorize: no token in response");
  return token;
}

function describeDenial(text: string, response: Response): string {
  return `server message: ${/"message"\s*:\s*"([^"]*)"/.exec(text)?.[1] ?? `${response.status} ${response.statusText}`}`;
}

function describeFetchError(error: unknown): string {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  return cause?.message ?? cause?.code ?? (error as Error).message;
}
