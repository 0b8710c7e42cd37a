// A registry for tests: images made in memory, served over plain HTTP on loopback, for every registry name (as a mirror).
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
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

const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

export class TestRegistry {
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, Buffer>();
  readonly requests: string[] = [];
  #server: Server | undefined;
  url = "";

  async listen(): Promise<void> {
    this.#server = createServer((request, response) => {
      this.requests.push(`${request.method} ${request.url}`);
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
          "content-type": match?.[2] === "manifests" ? "application/vnd.oci.image.manifest.v1+json" : "application/octet-stream",
          "content-length": body.length,
        })
        .end(body);
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
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
    this.#manifests.set(image.name, manifest);
    this.#manifests.set(`${image.name.split(":")[0]}:${digestOf(manifest)}`, manifest);
    return digestOf(config);
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

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
