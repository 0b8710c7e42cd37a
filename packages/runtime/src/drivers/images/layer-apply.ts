// Applies image layers to a directory, lowest first: the result is the image's whole file tree in one place.
//
// Y1. Nothing is written outside of the directory, whatever links and ".." a layer holds: every parent is resolved in it.
// Y2. Whiteouts act on what lower layers left, never on the layer they are in.
// Y3. Ownership, modes (also setuid), times, hard links, extended attributes and device nodes are kept as far as rights go.
// Source: OCI image specification, layer.md.
import {
  chmodSync,
  closeSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract, type Header as Headers } from "tar-stream";
import { RuntimeError } from "../../core/errors.js";
import type { FileFixup } from "../../core/launch/file-fixups.js";
import { cleanPath } from "../../core/mount-plan.js";
import { resolveInRoot } from "../rooted-path.js";

const whiteoutPrefix = ".wh.";
const opaqueMarker = ".wh..wh..opq";
const attributePrefix = "SCHILY.xattr.";

export interface LayerOptions {
  /** False where only one user ID exists: ownership is left alone. */
  readonly setsOwner: boolean;
  readonly signal?: AbortSignal;
}

export class LayerTree {
  /** What is left for a launcher program when all layers are applied. */
  readonly fixups: FileFixup[] = [];
  #fromThisLayer = new Set<string>();
  #directoryTimes = new Map<string, Date>();
  #parents = new Map<string, string>();

  constructor(
    readonly root: string,
    private readonly options: LayerOptions,
  ) {
    mkdirSync(root, { recursive: true, mode: 0o755 });
  }

  /** Unpacks one layer: `stages` turn `source` into a plain tar stream (decompression, digests). */
  async apply(source: Readable, stages: readonly Transform[]): Promise<void> {
    this.#fromThisLayer = new Set();
    const unpack = extract();
    const entries = (async () => {
      for await (const entry of unpack) {
        const consumed = this.#applyEntry(entry.header, entry as AsyncIterable<Buffer>);
        if (consumed !== undefined) await consumed;
        entry.resume();
      }
    })();
    // The pipeline's own error says more than the iterator's; look at both.
    const [piped, applied] = await Promise.allSettled([
      pipeline([source, ...stages, unpack], this.options.signal === undefined ? {} : { signal: this.options.signal }),
      entries,
    ]);
    if (applied.status === "rejected") {
      unpack.destroy();
      throw applied.reason as Error;
    }
    if (piped.status === "rejected") throw piped.reason as Error;
    for (const [path, time] of this.#directoryTimes) if (existsSync(path)) lutimesSync(path, time, time);
    this.#directoryTimes.clear();
  }

  #applyEntry(header: Headers, body: AsyncIterable<Buffer>): Promise<void> | undefined {
    const path = cleanPath(header.name);
    if (path === "/") {
      if (header.type === "directory") this.#setAttributes(this.root, header);
      return undefined;
    }
    const name = basename(path);
    const parent = this.#parentDirectory(dirname(path));
    if (name === opaqueMarker) {
      this.#removeLower(parent);
      return undefined;
    }
    if (name.startsWith(whiteoutPrefix)) {
      const target = join(parent, name.slice(whiteoutPrefix.length));
      if (!this.#fromThisLayer.has(target)) this.#remove(target);
      return undefined;
    }
    const target = join(parent, name);
    const consumed = this.#create(target, header, body);
    this.#fromThisLayer.add(target);
    return consumed;
  }

  #create(target: string, header: Headers, body: AsyncIterable<Buffer>): Promise<void> | undefined {
    const existing = lstatSync(target, { throwIfNoEntry: false });
    if (existing !== undefined && !(existing.isDirectory() && header.type === "directory")) this.#remove(target);
    switch (header.type) {
      case "directory":
        if (existing === undefined || !existing.isDirectory()) mkdirSync(target, { mode: 0o755 });
        this.#setAttributes(target, header);
        return undefined;
      case "symlink":
        symlinkSync(header.linkname ?? "", target);
        this.#parents.clear();
        if (this.options.setsOwner) lchownSync(target, header.uid ?? 0, header.gid ?? 0);
        if (header.mtime !== undefined) lutimesSync(target, header.mtime, header.mtime);
        return undefined;
      case "link": {
        const linked = cleanPath(header.linkname ?? "");
        linkSync(join(this.#parentDirectory(dirname(linked)), basename(linked)), target);
        return undefined;
      }
      case "character-device":
      case "block-device":
      case "fifo":
        this.fixups.push({
          type: "node",
          path: target,
          kind: header.type === "fifo" ? "fifo" : header.type === "block-device" ? "block" : "character",
          mode: (header.mode ?? 0o600) & 0o7777,
          major: header.devmajor ?? 0,
          minor: header.devminor ?? 0,
          uid: header.uid ?? 0,
          gid: header.gid ?? 0,
        });
        return undefined;
      case "file":
      case "contiguous-file":
      case undefined:
      case null:
        return this.#writeFile(target, header, body);
      default:
        return undefined; // pax and GNU headers are the tar reader's; nothing else is in a layer.
    }
  }

  async #writeFile(target: string, header: Headers, body: AsyncIterable<Buffer>): Promise<void> {
    const descriptor = openSync(target, "wx", 0o600);
    try {
      for await (const chunk of body) for (let written = 0; written < chunk.length; ) written += writeSync(descriptor, chunk, written);
    } finally {
      closeSync(descriptor);
    }
    this.#setAttributes(target, header);
  }

  #setAttributes(target: string, header: Headers): void {
    if (this.options.setsOwner) lchownSync(target, header.uid ?? 0, header.gid ?? 0);
    // After the owner: changing that clears setuid.
    chmodSync(target, (header.mode ?? 0o755) & 0o7777);
    if (header.mtime !== undefined) {
      if (header.type === "directory") this.#directoryTimes.set(target, header.mtime);
      else lutimesSync(target, header.mtime, header.mtime);
    }
    for (const [key, value] of Object.entries((header.pax ?? {}) as Record<string, string>)) {
      if (key.startsWith(attributePrefix))
        this.fixups.push({ type: "attribute", path: target, name: key.slice(attributePrefix.length), value: Buffer.from(value, "latin1") });
    }
  }

  /** The node path of a directory of the tree, made where it is missing. */
  #parentDirectory(path: string): string {
    const known = this.#parents.get(path);
    if (known !== undefined) return known;
    const resolved = resolveInRoot(this.root, path);
    const existing = lstatSync(resolved, { throwIfNoEntry: false });
    if (existing === undefined) mkdirSync(resolved, { recursive: true, mode: 0o755 });
    else if (!existing.isDirectory()) throw new RuntimeError("UNKNOWN", `failed to apply layer: ${path} is not a directory`);
    this.#parents.set(path, resolved);
    return resolved;
  }

  #removeLower(directory: string): void {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      if (!this.#fromThisLayer.has(path)) this.#remove(path);
      else if (lstatSync(path).isDirectory()) this.#removeLower(path);
    }
  }

  #remove(path: string): void {
    const existing = lstatSync(path, { throwIfNoEntry: false });
    if (existing === undefined) return;
    if (existing.isDirectory()) rmSync(path, { recursive: true, force: true });
    else unlinkSync(path);
    if (existing.isDirectory() || existing.isSymbolicLink()) this.#parents.clear();
    for (let index = this.fixups.length - 1; index >= 0; index--) if (this.fixups[index]?.path === path) this.fixups.splice(index, 1);
  }
}
