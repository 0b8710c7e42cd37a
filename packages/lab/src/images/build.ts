// Lenj's own small images, made from what is on the machine: nothing has to be pulled for a first pod.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type Pack, pack } from "tar-stream";
import { type Descriptor, type ImageStore, mediaTypes } from "./image-store.js";
import { pauseExecutable } from "./pause-elf.js";

export const pauseImage = "lenj.local/pause:1";
export const webImage = "lenj.local/web";
export const webVersions = ["1", "2"] as const;
/** The names under which upstream's kubelets and runtimes look for their sandbox image. */
const pauseAliases = [pauseImage, "registry.k8s.io/pause:3.6", "registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.10"];

const architecture = process.arch === "x64" ? "amd64" : process.arch;
const epoch = new Date(0);

/** Programs of the machine that the web image takes along where they exist: enough to look around inside a pod. */
const programs = [
  "sh",
  "cat",
  "ls",
  "sleep",
  "env",
  "echo",
  "id",
  "mkdir",
  "rm",
  "touch",
  "head",
  "tail",
  "wc",
  "date",
  "hostname",
  "grep",
  "kill",
  "ps",
  "stty",
  "dd",
  "true",
  "false",
];

/** Builds whatever image the store lacks. Returns the names that it made. */
export async function ensureOwnImages(store: ImageStore): Promise<string[]> {
  const names = store.names();
  const made: string[] = [];
  if (pauseAliases.some((name) => names[name] === undefined)) {
    const image = await buildImage(store, [await layerOf(store, (tar) => addFile(tar, "pause", pauseExecutable(), 0o755))], {
      Entrypoint: ["/pause"],
    });
    for (const name of pauseAliases) store.setName(name, image);
    made.push(pauseImage);
  }
  // The image is the machine's node binary: another node means another image.
  const mark = `${webImage}:node-${process.version}`;
  if (names[mark] === undefined) {
    const base = await layerOf(store, addBase);
    const application = await layerOf(store, addApplication);
    for (const version of webVersions) {
      const image = await buildImage(store, [base, application], {
        Env: ["PATH=/usr/local/bin:/usr/bin:/bin", `VERSION=${version}`, "PORT=8080"],
        Cmd: ["node", "/app/server.mjs"],
        WorkingDir: "/app",
        ExposedPorts: { "8080/tcp": {} },
      });
      store.setName(`${webImage}:${version}`, image);
      if (version === webVersions.at(-1)) store.setName(`${webImage}:latest`, image);
      store.setName(mark, image);
      made.push(`${webImage}:${version}`);
    }
  }
  return made;
}

function addBase(tar: Pack): void {
  const files = new Set<string>();
  for (const program of [process.execPath, ...programs.map(findProgram)]) {
    if (program === undefined) continue;
    files.add(program);
    for (const library of librariesOf(program)) files.add(library);
  }
  for (const library of ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"].map(findLibrary))
    if (library !== undefined) files.add(library);
  for (const folder of [
    "tmp",
    "etc",
    "app",
    "usr",
    "usr/bin",
    "usr/local",
    "usr/local/bin",
    "proc",
    "sys",
    "dev",
    "run",
    "var",
    "var/run",
  ]) {
    tar.entry({ name: `${folder}/`, type: "directory", mode: folder === "tmp" ? 0o1777 : 0o755, mtime: epoch });
  }
  for (const link of ["bin", "lib", "lib64", "sbin"])
    tar.entry({ name: link, type: "symlink", linkname: link === "sbin" ? "usr/bin" : `usr/${link}`, mtime: epoch });
  for (const file of [...files].sort()) addFile(tar, imagePath(file), readFileSync(file), 0o755);
  addFile(tar, "etc/passwd", Buffer.from("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"), 0o644);
  addFile(tar, "etc/group", Buffer.from("root:x:0:\nnogroup:x:65534:\n"), 0o644);
  addFile(tar, "etc/nsswitch.conf", Buffer.from("passwd: files\ngroup: files\nhosts: files dns\n"), 0o644);
}

/** Programs all go to /usr/bin; libraries stay where the loader looks for them, below /usr. */
function imagePath(file: string): string {
  if (file === process.execPath) return "usr/bin/node";
  const inRoot = file.replace(/^\//, "");
  if (/^(usr\/)?s?bin\//.test(inRoot)) return `usr/bin/${inRoot.split("/").at(-1)}`;
  return inRoot.startsWith("usr/") ? inRoot : `usr/${inRoot}`;
}

function addApplication(tar: Pack): void {
  const source = (name: string): Buffer => readFileSync(fileURLToPath(new URL(`../../src/images/web/${name}`, import.meta.url)));
  addFile(tar, "app/server.mjs", source("server.mjs"), 0o644);
  // Node tells ES modules by their ending, which a command does not carry.
  addFile(tar, "app/wget.mjs", source("wget.mjs"), 0o755);
  tar.entry({ name: "usr/local/bin/wget", type: "symlink", linkname: "/app/wget.mjs", mtime: epoch });
}

function findProgram(name: string): string | undefined {
  return ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map((folder) => `${folder}/${name}`).find((path) => existsSync(path));
}

function findLibrary(name: string): string | undefined {
  return [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/usr/lib",
  ]
    .map((folder) => `${folder}/${name}`)
    .find((path) => existsSync(path));
}

function librariesOf(program: string): string[] {
  try {
    const text = execFileSync("ldd", [program], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] as string);
  } catch {
    return []; // static, or a script
  }
}

async function layerOf(store: ImageStore, fill: (tar: Pack) => void): Promise<Descriptor> {
  const tar = pack();
  const stored = store.putStream(tar as unknown as Readable, mediaTypes.layerTar);
  fill(tar);
  tar.finalize();
  return stored;
}

function addFile(tar: Pack, name: string, bytes: Buffer, mode: number): void {
  tar.entry({ name, mode, mtime: epoch, size: bytes.length }, bytes);
}

async function buildImage(store: ImageStore, layers: readonly Descriptor[], config: Record<string, unknown>): Promise<Descriptor> {
  // Layers are stored uncompressed, so a layer's digest is also its diff id.
  const image = {
    architecture,
    os: "linux",
    created: epoch.toISOString(),
    config,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.digest) },
  };
  const configDescriptor = store.putJSON(image, mediaTypes.config);
  return store.putJSON({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: configDescriptor, layers }, mediaTypes.manifest);
}
