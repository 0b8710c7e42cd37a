// Reads image archives as `docker save` and OCI tools write them into the lab's image store.
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { type Descriptor, type ImageStore, mediaTypes, normalizeImageName } from "./image-store.js";

interface DockerManifest {
  readonly Config: string;
  readonly RepoTags: readonly string[] | null;
  readonly Layers: readonly string[];
}

interface IndexEntry extends Descriptor {
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Stores every image of an archive (tar or tar.gz). Returns their names. Throws Error when it is not an image archive. */
export async function loadArchive(store: ImageStore, file: string, nameOverride?: string): Promise<string[]> {
  const members = await readMembers(store, file);
  const docker = members.get("manifest.json");
  const index = members.get("index.json");
  if (docker === undefined && index === undefined)
    throw new Error(`Cannot load ${file}: it holds neither manifest.json (docker save) nor index.json (OCI layout)`);
  return docker === undefined
    ? loadOCI(
        store,
        JSON.parse(store.readBlob((index as Descriptor).digest).toString("utf8")) as { manifests: IndexEntry[] },
        file,
        nameOverride,
      )
    : loadDocker(store, JSON.parse(store.readBlob(docker.digest).toString("utf8")) as DockerManifest[], members, file, nameOverride);
}

/** Every regular file of the archive as a blob; links stand for what they point at. */
async function readMembers(store: ImageStore, file: string): Promise<Map<string, Descriptor>> {
  const members = new Map<string, Descriptor>();
  const links = new Map<string, string>();
  const unpack = extract();
  const source = createReadStream(file);
  source.once("error", (error) => unpack.destroy(error));
  const isGzip = file.endsWith(".gz") || file.endsWith(".tgz");
  (isGzip ? source.pipe(createGunzip().once("error", (error) => unpack.destroy(error))) : source).pipe(unpack);
  for await (const entry of unpack) {
    const name = entry.header.name.replace(/^\.\//, "");
    if (entry.header.type === "file") members.set(name, await store.putStream(entry as unknown as Readable, "application/octet-stream"));
    else {
      if (entry.header.linkname)
        links.set(name, entry.header.type === "symlink" ? resolveLink(name, entry.header.linkname) : entry.header.linkname);
      entry.resume();
    }
  }
  for (const [name, target] of links) {
    const found = members.get(target);
    if (found !== undefined) members.set(name, found);
  }
  return members;
}

function resolveLink(name: string, target: string): string {
  const parts = name.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function loadDocker(
  store: ImageStore,
  manifests: readonly DockerManifest[],
  members: ReadonlyMap<string, Descriptor>,
  file: string,
  nameOverride: string | undefined,
): string[] {
  const member = (name: string): Descriptor => {
    const found = members.get(name);
    if (found === undefined) throw new Error(`Cannot load ${file}: it lacks ${name}`);
    return found;
  };
  return manifests.flatMap((image) => {
    const layers = image.Layers.map((name) => ({
      ...member(name),
      mediaType: isGzipBlob(store, member(name).digest) ? mediaTypes.layerGzip : mediaTypes.layerTar,
    }));
    const manifest = store.putJSON(
      { schemaVersion: 2, mediaType: mediaTypes.manifest, config: { ...member(image.Config), mediaType: mediaTypes.config }, layers },
      mediaTypes.manifest,
    );
    return setNames(store, manifest, nameOverride === undefined ? (image.RepoTags ?? []) : [nameOverride], file);
  });
}

function loadOCI(store: ImageStore, index: { manifests: readonly IndexEntry[] }, file: string, nameOverride: string | undefined): string[] {
  return index.manifests.flatMap((entry) => {
    if (!store.hasBlob(entry.digest)) throw new Error(`Cannot load ${file}: it lacks blob ${entry.digest}`);
    const name =
      nameOverride ?? entry.annotations?.["io.containerd.image.name"] ?? entry.annotations?.["org.opencontainers.image.ref.name"];
    return setNames(store, { mediaType: entry.mediaType, digest: entry.digest, size: entry.size }, name === undefined ? [] : [name], file);
  });
}

function setNames(store: ImageStore, manifest: Descriptor, names: readonly string[], file: string): string[] {
  if (names.length === 0) throw new Error(`Cannot load ${file}: an image in it has no name; give one with --name`);
  return names.map((name) => {
    const normalized = normalizeImageName(name);
    store.setName(normalized, manifest);
    return normalized;
  });
}

function isGzipBlob(store: ImageStore, digest: string): boolean {
  const head = store.readBlob(digest).subarray(0, 2);
  return head[0] === 0x1f && head[1] === 0x8b;
}
