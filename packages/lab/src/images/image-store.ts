// Images of a lab on disk: content by digest, names in one small file. Served by registry.ts, filled by the builders and by `lenj image load`.
//
// I1. A blob's file name is the SHA-256 of its bytes; it appears under that name only when it is complete.
// I2. A name points at a manifest whose blobs are all present.
import { createHash, randomUUID } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { Readable } from "node:stream";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export const mediaTypes = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layerTar: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;

export class ImageStore {
  constructor(readonly folder: string) {
    mkdirSync(`${folder}/blobs`, { recursive: true });
  }

  blobPath(digest: string): string {
    if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`Cannot read blob ${JSON.stringify(digest)}: must be a sha256 digest`);
    return `${this.folder}/blobs/${digest.slice("sha256:".length)}`;
  }

  hasBlob(digest: string): boolean {
    return existsSync(this.blobPath(digest));
  }

  readBlob(digest: string): Buffer {
    return readFileSync(this.blobPath(digest));
  }

  streamBlob(digest: string): Readable {
    return createReadStream(this.blobPath(digest));
  }

  blobSize(digest: string): number {
    return statSync(this.blobPath(digest)).size;
  }

  /** Stores what the stream brings. */
  async putStream(stream: Readable, mediaType: string): Promise<Descriptor> {
    const temporary = `${this.folder}/blobs/.${randomUUID()}`;
    const hash = createHash("sha256");
    let size = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        size += chunk.length;
        done(null, chunk);
      },
    });
    try {
      await pipeline(stream, measure, createWriteStream(temporary));
      const digest = `sha256:${hash.digest("hex")}`;
      renameSync(temporary, this.blobPath(digest));
      return { mediaType, digest, size };
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  putBytes(bytes: Buffer, mediaType: string): Descriptor {
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const temporary = `${this.folder}/blobs/.${randomUUID()}`;
    writeFileSync(temporary, bytes);
    renameSync(temporary, this.blobPath(digest));
    return { mediaType, digest, size: bytes.length };
  }

  putJSON(value: unknown, mediaType: string): Descriptor {
    return this.putBytes(Buffer.from(JSON.stringify(value)), mediaType);
  }

  /** All names: "registry/repository:tag" to manifest descriptor. */
  names(): Readonly<Record<string, Descriptor>> {
    const file = `${this.folder}/names.json`;
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, Descriptor>) : {};
  }

  setName(name: string, manifest: Descriptor): void {
    const file = `${this.folder}/names.json`;
    writeFileSync(`${file}.tmp`, JSON.stringify({ ...this.names(), [name]: manifest }, null, 1));
    renameSync(`${file}.tmp`, file);
  }
}

/** "nginx" → "docker.io/library/nginx:latest", as every docker-like tool reads names. */
export function normalizeImageName(name: string): string {
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  const hasRegistry = first.includes(".") || first.includes(":") || first === "localhost";
  const registry = hasRegistry ? first : "docker.io";
  let rest = hasRegistry ? name.slice(slash + 1) : name;
  if (registry === "docker.io" && !rest.includes("/")) rest = `library/${rest}`;
  return `${registry}/${rest}${rest.includes(":") ? "" : ":latest"}`;
}
