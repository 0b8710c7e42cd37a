// Images from archives: `lenj image load` takes what `docker save` and OCI tools write, and pods run from them on every node.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import { describeLab, Lab, run } from "./lab.js";

const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");

/** A layer with one static program that is its own shell. */
async function buildLayer(folder: string): Promise<Buffer> {
  mkdirSync(`${folder}/root/bin`, { recursive: true });
  copyFileSync("/bin/busybox", `${folder}/root/bin/busybox`);
  symlinkSync("busybox", `${folder}/root/bin/sh`);
  await run("tar", ["-C", `${folder}/root`, "-cf", `${folder}/layer.tar`, "."]);
  return readFileSync(`${folder}/layer.tar`);
}

const configOf = (layer: Buffer, says: string): string =>
  JSON.stringify({
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Env: ["PATH=/bin", `SAYS=${says}`], Cmd: ["/bin/sh", "-c", "echo $SAYS"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
  });

async function dockerArchive(folder: string, layer: Buffer, name: string): Promise<string> {
  const content = `${folder}/docker`;
  mkdirSync(`${content}/layer`, { recursive: true });
  const config = configOf(layer, "saved by docker");
  writeFileSync(`${content}/${sha256(config)}.json`, config);
  writeFileSync(`${content}/layer/layer.tar`, layer);
  writeFileSync(
    `${content}/manifest.json`,
    JSON.stringify([{ Config: `${sha256(config)}.json`, RepoTags: [name], Layers: ["layer/layer.tar"] }]),
  );
  await run("tar", ["-C", content, "-cf", `${folder}/docker.tar`, "."]);
  return `${folder}/docker.tar`;
}

async function ociArchive(folder: string, layer: Buffer, name: string): Promise<string> {
  const content = `${folder}/oci`;
  mkdirSync(`${content}/blobs/sha256`, { recursive: true });
  const blob = (bytes: Buffer, mediaType: string) => {
    writeFileSync(`${content}/blobs/sha256/${sha256(bytes)}`, bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  };
  const type = (kind: string): string => `application/vnd.oci.image.${kind}`;
  const config = blob(Buffer.from(configOf(layer, "written as OCI layout")), type("config.v1+json"));
  const layers = [blob(gzipSync(layer), type("layer.v1.tar+gzip"))];
  const manifest = blob(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type("manifest.v1+json"), config, layers })),
    type("manifest.v1+json"),
  );
  const annotations = { "org.opencontainers.image.ref.name": name };
  writeFileSync(`${content}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }));
  writeFileSync(`${content}/oci-layout`, JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  await run("tar", ["-C", content, "-czf", `${folder}/oci.tar.gz`, "."]);
  return `${folder}/oci.tar.gz`;
}

describeLab("an image archive", () => {
  let lab: Lab;
  let folder: string;
  const namespace = "images";

  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/lenj-images-`);
    lab = await Lab.shared();
    await lab.namespace(namespace);
  }, 120_000);

  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await lab?.must(["delete", "namespace", namespace, "--wait=false"]);
  }, 60_000);

  it("of docker and of OCI is loaded, listed and run", async () => {
    const layer = await buildLayer(folder);
    const archives = [
      { pod: "docker", image: "registry.example/from/docker:1", archive: dockerArchive, says: "saved by docker\n" },
      { pod: "oci", image: "registry.example/from/oci:1", archive: ociArchive, says: "written as OCI layout\n" },
    ];
    for (const { pod, image, archive, says } of archives) {
      expect(await lab.mustLenj("image", "load", await archive(folder, layer, image))).toBe(`${image}\n`);
      expect((await lab.mustLenj("image", "list")).split("\n")).toContain(image);
      await lab.must(["-n", namespace, "run", pod, `--image=${image}`, "--restart=Never"]);
      await lab.must(["-n", namespace, "wait", "--for=jsonpath={.status.phase}=Succeeded", `pod/${pod}`, "--timeout=60s"]);
      expect(await lab.must(["-n", namespace, "logs", pod])).toBe(says);
    }
  }, 180_000);

  it("that is none is refused in words", async () => {
    writeFileSync(`${folder}/plain.txt`, "not an image");
    await run("tar", ["-C", folder, "-cf", `${folder}/plain.tar`, "plain.txt"]);
    const refused = await lab.lenj("image", "load", `${folder}/plain.tar`);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("it holds neither manifest.json (docker save) nor index.json (OCI layout)");
    expect((await lab.lenj("image", "load", `${folder}/missing.tar`)).stderr).toContain("no such file or directory");
  });
});
