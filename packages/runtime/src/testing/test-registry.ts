// A registry for tests: images made in memory, served on loopback over HTTP or HTTPS, with or without login.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";

export interface TestFile {
  readonly header: Partial<Header> & { readonly name: string };
  readonly content?: Buffer | string;
}

export interface TestImage {
  /** "library/busybox:latest" */
  readonly name: string;
  /** Lowest first. */
  readonly layers: readonly (readonly TestFile[])[];
  readonly config?: Record<string, unknown>;
}

export interface TestTLS {
  readonly key: string;
  readonly cert: string;
}

/** What a client has to know, and the token it gets for it. */
export interface TestLogin {
  readonly username: string;
  readonly password: string;
  readonly token: string;
}

const indexType = "application/vnd.oci.image.index.v1+json";
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

export class TestRegistry {
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, Buffer>();
  readonly requests: string[] = [];
  #server: Server | undefined;
  url = "";
  /** "127.0.0.1:port" */
  host = "";

  async listen(options: { readonly port?: number; readonly tls?: TestTLS; readonly login?: TestLogin } = {}): Promise<void> {
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      this.requests.push(`${request.method} ${request.url}`);
      if (options.login !== undefined && this.#isHandledByLogin(options.login, request, response)) return;
      const match = /^\/v2\/(.+)\/(manifests|blobs)\/([^?]+)/.exec(request.url ?? "");
      const body = match?.[2] === "blobs" ? this.#blobs.get(match[3] ?? "") : this.#manifests.get(`${match?.[1]}:${match?.[3]}`);
      if (body === undefined) {
        response
          .writeHead(404, { "content-type": "application/json" })
          .end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
        return;
      }
      response
        .writeHead(200, {
          "content-type": match?.[2] === "manifests" ? mediaTypeOf(body) : "application/octet-stream",
          "content-length": body.length,
        })
        .end(body);
    };
    this.#server = options.tls === undefined ? createServer(serve) : createSecureServer(options.tls, serve);
    await new Promise<void>((resolve) => this.#server?.listen(options.port ?? 0, "127.0.0.1", resolve));
    this.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    this.url = `${options.tls === undefined ? "http" : "https"}://${this.host}`;
  }

  // Docker's token authentication: content is refused with a challenge, its realm trades the password for a token.
  #isHandledByLogin(login: TestLogin, request: IncomingMessage, response: ServerResponse): boolean {
    const authorization = request.headers.authorization;
    if (request.url?.startsWith("/token?")) {
      const isKnown = authorization === `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
      response
        .writeHead(isKnown ? 200 : 401, { "content-type": "application/json" })
        .end(JSON.stringify(isKnown ? { token: login.token } : { errors: [{ code: "UNAUTHORIZED", message: "wrong password" }] }));
      return true;
    }
    if (authorization === `Bearer ${login.token}`) return false;
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(request.url ?? "")?.[1] ?? "";
    response
      .writeHead(401, {
        "content-type": "application/json",
        "www-authenticate": `Bearer realm="${this.url}/token",service="test",scope="repository:${repository}:pull"`,
      })
      .end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    return true;
  }

  /** Returns the image's ID. */
  async add(image: TestImage): Promise<string> {
    const layers: Buffer[] = [];
    const diffIDs: string[] = [];
    for (const files of image.layers) {
      const tar = await packFiles(files);
      diffIDs.push(digestOf(tar));
      layers.push(gzipSync(tar, { level: 1 }));
    }
    const config = Buffer.from(
      JSON.stringify({
        architecture: architectures[process.arch],
        os: "linux",
        config: image.config ?? {},
        rootfs: { type: "layers", diff_ids: diffIDs },
        history: [],
      }),
    );
    for (const blob of [config, ...layers]) this.#blobs.set(digestOf(blob), blob);
    const describe = (mediaType: string, blob: Buffer): object => ({ mediaType, digest: digestOf(blob), size: blob.length });
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: describe("application/vnd.oci.image.config.v1+json", config),
        layers: layers.map((layer) => describe("application/vnd.oci.image.layer.v1.tar+gzip", layer)),
      }),
    );
    this.#addManifest(image.name, manifest);
    return digestOf(config);
  }

  /** A manifest list: each named image for the architecture in the machine's own words. */
  addIndex(name: string, images: readonly { readonly name: string; readonly architecture: string }[]): void {
    const manifests = images.map((image) => {
      const manifest = this.#manifests.get(image.name) ?? Buffer.alloc(0);
      const platform = { os: "linux", architecture: image.architecture };
      return { mediaType: mediaTypeOf(manifest), digest: digestOf(manifest), size: manifest.length, platform };
    });
    this.#addManifest(name, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests })));
  }

  /** Digest of the manifest under that name. */
  digest(name: string): string {
    return digestOf(this.#manifests.get(name) ?? Buffer.alloc(0));
  }

  #addManifest(name: string, manifest: Buffer): void {
    this.#manifests.set(name, manifest);
    this.#manifests.set(`${name.split(":")[0]}:${digestOf(manifest)}`, manifest);
  }

  /** Answers for the digest of one manifest with another's content. */
  swapManifest(name: string, digest: string): void {
    const repository = name.split(":")[0];
    this.#manifests.set(`${repository}:${digest}`, this.#manifests.get(name) ?? Buffer.alloc(0));
  }

  /** Makes every blob's content wrong while its size stays right. */
  corruptBlobs(): void {
    for (const [digest, blob] of this.#blobs)
      this.#blobs.set(digest, Buffer.concat([blob.subarray(0, -1), Buffer.of((blob.at(-1) ?? 0) ^ 0xff)]));
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise<void>((resolve) => this.#server?.close(() => resolve()));
  }
}

async function packFiles(files: readonly TestFile[]): Promise<Buffer> {
  const tar = pack();
  for (const file of files)
    tar.entry({ mtime: new Date(0), ...file.header } as Header, file.content === undefined ? Buffer.alloc(0) : Buffer.from(file.content));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function mediaTypeOf(manifest: Buffer): string {
  return (JSON.parse(manifest.toString()) as { mediaType: string }).mediaType;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
