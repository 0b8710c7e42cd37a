// Images of a node: names, and one directory a image with all layers flattened into it.
//
// Owns:  <images>/rootfs/<id> (complete trees only), <images>/blobs (downloads), <images>/users (who needs a tree), the node's index file.
// I1. A tree appears by rename when it is complete and every digest was right; what a killed pull left is not used.
// I2. Downloads resume: a blob's part file is continued, and counts only when its digest is right.
// I3. A tree that containers stand on stays, without name, until the last of them is removed.
// I4. The tree store may be shared by nodes of one host: `users` names each node that needs a tree.
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import type { Logger } from "@lenj/base";
import { RuntimeError } from "../../core/errors.js";
import { formatImageReference, formatRepository, type ImageReference, isImageID, parseImageReference } from "../../core/image-reference.js";
import { assembleFixups, fixupsPerProgram } from "../../core/launch/file-fixups.js";
import type { ImageConfig, NodeRights } from "../../core/process-plan.js";
import { KeyedLock } from "../keyed-lock.js";
import type { Launcher } from "../launcher.js";
import { LayerTree } from "./layer-apply.js";
import { type FetchedManifest, hostsFor, RegistryClient, type RegistryCredentials, registryCA } from "./registry-client.js";

export interface StoredImage {
  /** "sha256:…": digest of the image's configuration */
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  /** Compressed size of configuration and layers, as the manifest says. */
  readonly sizeBytes: number;
  readonly config: ImageConfig;
  /** Directory of its tree. */
  readonly rootfs: string;
}

interface IndexEntry {
  id: string;
  repoTags: string[];
  repoDigests: string[];
  sizeBytes: number;
  config: ImageConfig;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
}

interface Manifest {
  readonly mediaType?: string;
  readonly schemaVersion?: number;
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
}

export interface ImageStoreOptions {
  /** Directory of the node's index. */
  readonly indexDirectory: string;
  /** Directory of trees and downloads; may be shared by several nodes of a host. */
  readonly storeDirectory: string;
  /** Name of this node among the store's users. */
  readonly userName: string;
  readonly mirrors: readonly string[];
  /** Folder of CA certificates by registry: <folder>/<host[:port]>/ca.crt. */
  readonly certificatesDirectory?: string;
  readonly rights: NodeRights;
  readonly launcher: Launcher;
  readonly logger: Logger;
}

const draftAgeMsMax = 3_600_000;
const ociArchitecture = { x64: "amd64", arm64: "arm64" } as const;

export class ImageStore {
  readonly #images = new Map<string, IndexEntry>();
  readonly #locks = new KeyedLock();
  /** Set by the runtime: whether any container stands on this image. */
  isInUse: (imageID: string) => boolean = () => false;

  constructor(private readonly options: ImageStoreOptions) {
    for (const directory of [
      options.indexDirectory,
      ...["rootfs", "blobs", "drafts", "users"].map((name) => join(options.storeDirectory, name)),
    ])
      mkdirSync(directory, { recursive: true, mode: 0o711 });
    this.#sweepDrafts();
    this.#load();
  }

  /** The image with this ID or name; undefined when the node does not have it. Throws RuntimeError for a malformed name. */
  find(text: string): StoredImage | undefined {
    if (text === "") return undefined;
    const entry = this.#lookup(text);
    return entry === undefined ? undefined : this.#present(entry);
  }

  list(): StoredImage[] {
    return [...this.#images.values()]
      .filter((entry) => entry.repoTags.length + entry.repoDigests.length > 0)
      .map((entry) => this.#present(entry));
  }

  /** Makes the image present and named. Throws RuntimeError: NOT_FOUND, INVALID_ARGUMENT, UNKNOWN; the signal's reason when aborted. */
  async pull(text: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<string> {
    const reference = parse(text);
    const name = formatImageReference(reference);
    return this.#locks.run(name, async () => {
      try {
        return await this.#pull(reference, credentials, signal);
      } catch (error) {
        signal.throwIfAborted();
        const prefix = `failed to pull and unpack image "${name}"`;
        const code = error instanceof RuntimeError ? error.code : "UNKNOWN";
        throw new RuntimeError(
          code,
          `${prefix}: ${code === "NOT_FOUND" ? `failed to resolve reference "${name}": ` : ""}${(error as Error).message}`,
          { cause: error },
        );
      }
    });
  }

  async #pull(reference: ImageReference, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<string> {
    const certificates = this.options.certificatesDirectory;
    const hosts = hostsFor(reference.registry, this.options.mirrors, registryCA(reference.registry, certificates) !== undefined);
    const client = new RegistryClient(reference, hosts, credentials, certificates);
    try {
      return await this.#pullWith(client, reference, signal);
    } finally {
      await client.close();
    }
  }

  async #pullWith(client: RegistryClient, reference: ImageReference, signal: AbortSignal): Promise<string> {
    const top = await client.manifest(reference.digest ?? reference.tag ?? "latest", signal);
    const manifest = await this.#selectPlatform(client, top, signal);
    const { config: configDescriptor, layers } = manifest;
    if (configDescriptor === undefined || layers === undefined)
      throw new RuntimeError("UNKNOWN", `manifest is neither an image nor an index of images`);
    const { digest: id } = configDescriptor;
    requireSha256(id);
    const configText = await this.#readBlob(client, configDescriptor, signal);
    const config = JSON.parse(configText) as { config?: ImageConfig; rootfs?: { diff_ids?: string[] } };
    await this.#locks.run(id, () => this.#ensureTree(client, id, { layers, diffIDs: config.rootfs?.diff_ids ?? [], signal }));
    const known = this.#images.get(id);
    const entry: IndexEntry = {
      id,
      config: config.config ?? {},
      sizeBytes: layers.reduce((total, layer) => total + layer.size, configDescriptor.size),
      repoTags: known?.repoTags ?? [],
      repoDigests: known?.repoDigests ?? [],
    };
    this.#name(entry, reference, top.digest);
    return id;
  }

  async #selectPlatform(client: RegistryClient, top: FetchedManifest, signal: AbortSignal): Promise<Manifest> {
    const parsed = JSON.parse(top.body.toString("utf8")) as Manifest;
    if (parsed.schemaVersion === 1) throw new RuntimeError("UNKNOWN", "docker manifest schema 1 is not supported");
    if (parsed.manifests === undefined) return parsed;
    const wanted = ociArchitecture[this.options.rights.architecture];
    const candidates = parsed.manifests.filter((entry) => entry.platform?.os === "linux" && entry.platform.architecture === wanted);
    const chosen =
      candidates[0] ?? (parsed.manifests.length === 1 && parsed.manifests[0]?.platform === undefined ? parsed.manifests[0] : undefined);
    if (chosen === undefined) throw new RuntimeError("NOT_FOUND", `no match for platform in manifest: linux/${wanted}: not found`);
    return JSON.parse((await client.manifest(chosen.digest, signal)).body.toString("utf8")) as Manifest;
  }

  /** I1, I4 */
  async #ensureTree(
    client: RegistryClient,
    id: string,
    source: { layers: readonly Descriptor[]; diffIDs: readonly string[]; signal: AbortSignal },
  ): Promise<void> {
    this.#addUser(id);
    if (existsSync(this.#treeOf(id))) return;
    const { layers, diffIDs, signal } = source;
    if (diffIDs.length !== layers.length)
      throw new RuntimeError("UNKNOWN", `image config names ${diffIDs.length} layers, its manifest ${layers.length}`);
    const draft = join(this.options.storeDirectory, "drafts", `${hexOf(id)}-${randomBytes(6).toString("hex")}`);
    try {
      const tree = new LayerTree(draft, { setsOwner: this.options.rights.manyIDs && process.geteuid?.() === 0, signal });
      for (const [position, layer] of layers.entries()) {
        const file = await this.#fetchBlob(client, layer, signal);
        await applyLayer(tree, file, layer.mediaType, diffIDs[position] as string);
      }
      for (let start = 0; start < tree.fixups.length; start += fixupsPerProgram) {
        await this.options.launcher.runToEnd(
          assembleFixups(this.options.rights.architecture, tree.fixups.slice(start, start + fixupsPerProgram)),
        );
      }
      try {
        renameSync(draft, this.#treeOf(id));
      } catch (error) {
        // Another node of the host was faster; its tree is the same.
        if (!existsSync(this.#treeOf(id))) throw error;
      }
      for (const layer of layers) rmSync(this.#blobFile(layer.digest), { force: true });
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }

  async #readBlob(client: RegistryClient, descriptor: Descriptor, signal: AbortSignal): Promise<string> {
    const file = await this.#fetchBlob(client, descriptor, signal);
    const text = readFileSync(file, "utf8");
    rmSync(file, { force: true });
    return text;
  }

  /** I2. Returns the file of the complete blob. */
  async #fetchBlob(client: RegistryClient, descriptor: Descriptor, signal: AbortSignal): Promise<string> {
    requireSha256(descriptor.digest);
    const file = this.#blobFile(descriptor.digest);
    if (existsSync(file)) return file;
    // Of this node alone, so that two nodes do not write into one part file.
    const part = `${file}.${this.options.userName}.part`;
    const have = existsSync(part) ? statSync(part).size : 0;
    const { offset, body } = await client.blob(descriptor.digest, have < descriptor.size ? have : 0, signal);
    const hash = createHash("sha256");
    if (offset > 0) for await (const chunk of createReadStream(part, { end: offset - 1 })) hash.update(chunk as Buffer);
    let bytes = offset;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        hash.update(chunk);
        done(
          bytes > descriptor.size
            ? new RuntimeError("UNKNOWN", `blob ${descriptor.digest} is larger than its ${descriptor.size} bytes`)
            : null,
          chunk,
        );
      },
    });
    await pipeline(
      Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]),
      measure,
      createWriteStream(part, { flags: offset > 0 ? "a" : "w", mode: 0o600 }),
      { signal },
    );
    const digest = `sha256:${hash.digest("hex")}`;
    if (digest !== descriptor.digest || bytes !== descriptor.size) {
      rmSync(part, { force: true });
      throw new RuntimeError(
        "FAILED_PRECONDITION",
        `failed to copy: failed commit on ref "layer-${descriptor.digest}": unexpected commit digest ${digest}, expected ${descriptor.digest}: failed precondition`,
      );
    }
    renameSync(part, file);
    return file;
  }

  /** Removes names, or with an ID the image. The tree goes when no container stands on it. Idempotent. */
  remove(text: string): void {
    const entry = this.#lookup(text);
    if (entry === undefined) return;
    // Upstream removes the image that the name leads to, with all its names.
    this.#images.set(entry.id, { ...entry, repoTags: [], repoDigests: [] });
    this.#save();
    this.collect();
  }

  /** Lets go of trees without name and without container (I3). */
  collect(): void {
    for (const entry of [...this.#images.values()]) {
      if (entry.repoTags.length + entry.repoDigests.length > 0 || this.isInUse(entry.id)) continue;
      this.#images.delete(entry.id);
      this.#save();
      this.#dropTree(entry.id);
    }
  }

  /** Bytes and inodes that trees and downloads take. Walks the store; callers cache. */
  usage(): { directory: string; usedBytes: number; usedInodes: number } {
    let usedBytes = 0;
    let usedInodes = 0;
    const walk = (directory: string): void => {
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        const path = join(directory, entry.name);
        const info = statSync(path, { throwIfNoEntry: false });
        usedInodes += 1;
        if (entry.isDirectory()) walk(path);
        else if (entry.isFile() && info !== undefined) usedBytes += info.blocks * 512;
      }
    };
    walk(this.options.storeDirectory);
    return { directory: this.options.storeDirectory, usedBytes, usedInodes };
  }

  /** Free and total bytes of the store's file system. */
  fileSystem(): { totalBytes: number; freeBytes: number } {
    const info = statfsSync(this.options.storeDirectory);
    return { totalBytes: info.blocks * info.bsize, freeBytes: info.bavail * info.bsize };
  }

  #dropTree(id: string): void {
    const tree = this.#treeOf(id);
    const trash = join(this.options.storeDirectory, "drafts", `${hexOf(id)}-trash-${randomBytes(6).toString("hex")}`);
    rmSync(join(this.#usersOf(id), this.options.userName), { force: true });
    try {
      rmdirSync(this.#usersOf(id));
    } catch {
      return; // Another node needs it.
    }
    if (!existsSync(tree)) return;
    renameSync(tree, trash);
    rmSync(trash, { recursive: true, force: true });
  }

  #lookup(text: string): IndexEntry | undefined {
    if (isImageID(text)) return this.#images.get(text.startsWith("sha256:") ? text : `sha256:${text}`);
    const reference = parse(text);
    if (reference.digest !== undefined) {
      const repoDigest = `${formatRepository(reference)}@${reference.digest}`;
      return [...this.#images.values()].find((entry) => entry.repoDigests.includes(repoDigest));
    }
    const name = formatImageReference(reference);
    return [...this.#images.values()].find((entry) => entry.repoTags.includes(name));
  }

  #name(entry: IndexEntry, reference: ImageReference, manifestDigest: string): void {
    const tag = reference.tag === undefined || reference.digest !== undefined ? undefined : formatImageReference(reference);
    const repoDigest = `${formatRepository(reference)}@${manifestDigest}`;
    // A tag leads to one image: the one that had it loses it.
    for (const other of this.#images.values()) if (tag !== undefined) other.repoTags = other.repoTags.filter((name) => name !== tag);
    const repoTags = tag === undefined ? entry.repoTags : [...entry.repoTags.filter((name) => name !== tag), tag];
    this.#images.set(entry.id, { ...entry, repoTags, repoDigests: [...new Set([...entry.repoDigests, repoDigest])] });
    this.#save();
  }

  #present(entry: IndexEntry): StoredImage {
    return { ...entry, rootfs: this.#treeOf(entry.id) };
  }

  #addUser(id: string): void {
    mkdirSync(this.#usersOf(id), { recursive: true });
    writeFileSync(join(this.#usersOf(id), this.options.userName), "");
  }

  #treeOf(id: string): string {
    return join(this.options.storeDirectory, "rootfs", hexOf(id));
  }

  #usersOf(id: string): string {
    return join(this.options.storeDirectory, "users", hexOf(id));
  }

  #blobFile(digest: string): string {
    return join(this.options.storeDirectory, "blobs", hexOf(digest));
  }

  #load(): void {
    const file = join(this.options.indexDirectory, "images.json");
    if (!existsSync(file)) return;
    for (const entry of JSON.parse(readFileSync(file, "utf8")) as IndexEntry[]) {
      if (existsSync(this.#treeOf(entry.id))) this.#images.set(entry.id, entry);
      else this.options.logger.warn("Forgot image without files", { image: entry.repoTags[0] ?? entry.id });
    }
  }

  #save(): void {
    const file = join(this.options.indexDirectory, "images.json");
    writeFileSync(`${file}.draft`, JSON.stringify([...this.#images.values()]), { mode: 0o600 });
    renameSync(`${file}.draft`, file);
  }

  /** Old enough that no living pull of any node is at it. */
  #sweepDrafts(): void {
    const directory = join(this.options.storeDirectory, "drafts");
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      if (Date.now() - statSync(path).mtimeMs > draftAgeMsMax) rmSync(path, { recursive: true, force: true });
    }
  }
}

async function applyLayer(tree: LayerTree, file: string, mediaType: string, diffID: string): Promise<void> {
  const hash = createHash("sha256");
  const digester = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const decompress = decompressor(mediaType, readFileHead(file));
  await tree.apply(createReadStream(file, { highWaterMark: 256 * 1024 }), decompress === undefined ? [digester] : [decompress, digester]);
  const actual = `sha256:${hash.digest("hex")}`;
  if (actual !== diffID)
    throw new RuntimeError("FAILED_PRECONDITION", `failed to extract layer ${diffID}: wrong diff id calculated on extraction "${actual}"`);
}

function readFileHead(file: string): Buffer {
  const head = Buffer.alloc(4);
  const descriptor = openSync(file, "r");
  readSync(descriptor, head, 0, head.length, 0);
  closeSync(descriptor);
  return head;
}

/** By content, as docker does: media types are not always right. */
function decompressor(mediaType: string, head: Buffer): Transform | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return zlib.createGunzip();
  if (head.equals(Buffer.of(0x28, 0xb5, 0x2f, 0xfd))) {
    const create = (zlib as unknown as { createZstdDecompress?: () => Transform }).createZstdDecompress;
    if (create === undefined)
      throw new RuntimeError("UNKNOWN", `layer of type ${mediaType} is compressed with zstd, which this version of Node.js cannot read`);
    return create();
  }
  return undefined;
}

function parse(text: string): ImageReference {
  try {
    return parseImageReference(text);
  } catch (error) {
    throw new RuntimeError("INVALID_ARGUMENT", (error as Error).message, { cause: error });
  }
}

function requireSha256(digest: string): void {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new RuntimeError("UNKNOWN", `unsupported digest ${JSON.stringify(digest)}`);
}

function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}
