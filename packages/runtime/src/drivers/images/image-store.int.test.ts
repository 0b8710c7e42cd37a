import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@lenj/base";
import { TestRegistry } from "../../testing/test-registry.js";
import { Launcher } from "../launcher.js";
import { observeNodeRights } from "../node-facts.js";
import { ImageStore } from "./image-store.js";

describe("ImageStore", () => {
  let directory: string;
  let registry: TestRegistry;
  const open = (mirror: string): ImageStore => {
    const rights = observeNodeRights();
    return new ImageStore({
      indexDirectory: directory,
      storeDirectory: join(directory, "images"),
      userName: "node",
      mirrors: [mirror],
      rights,
      launcher: new Launcher(join(directory, "bin"), rights.architecture),
      logger: silentLogger,
    });
  };
  const signal = new AbortController().signal;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "lenj-images-"));
    registry = new TestRegistry();
    await registry.listen();
  });
  afterEach(async () => {
    await registry.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("flattens layers: whiteouts, opaque directories, hard links, setuid, links that lead out", async () => {
    const long = `${"d".repeat(90)}/${"f".repeat(90)}`;
    await registry.add({
      name: "library/layers:1",
      layers: [
        [
          { header: { name: "a/", type: "directory" } },
          { header: { name: "a/old" }, content: "old" },
          { header: { name: "b/", type: "directory" } },
          { header: { name: "b/below" }, content: "x" },
          { header: { name: "gone" }, content: "x" },
          { header: { name: "out", type: "symlink", linkname: "../../../../../../tmp" } },
        ],
        [
          { header: { name: ".wh.gone" } },
          { header: { name: "b/.wh..wh..opq" } },
          { header: { name: "b/new" }, content: "new" },
          { header: { name: "a/hard", type: "link", linkname: "a/old" } },
          { header: { name: "su", mode: 0o4755 }, content: "s" },
          { header: { name: long }, content: "long" },
          { header: { name: "out/lenj-escaped" }, content: "in" },
          { header: { name: "../lenj-dots" }, content: "in" },
        ],
      ],
    });
    const store = open(registry.url);
    const id = await store.pull("layers:1", undefined, signal);
    const image = store.find("docker.io/library/layers:1");
    expect(image?.id).toBe(id);
    const root = image?.rootfs ?? "";
    expect(existsSync(join(root, "gone"))).toBe(false);
    expect(readdirSync(join(root, "b"))).toEqual(["new"]);
    expect(statSync(join(root, "a/hard")).ino).toBe(statSync(join(root, "a/old")).ino);
    expect(lstatSync(join(root, "su")).mode & 0o7777).toBe(0o4755);
    expect(readFileSync(join(root, long), "utf8")).toBe("long");
    expect(existsSync("/tmp/lenj-escaped")).toBe(false);
    expect(readFileSync(join(root, "tmp/lenj-escaped"), "utf8")).toBe("in");
    expect(readFileSync(join(root, "lenj-dots"), "utf8")).toBe("in");
    expect(
      open(registry.url)
        .list()
        .map((entry) => entry.repoTags),
    ).toEqual([["docker.io/library/layers:1"]]);
    store.remove("layers:1");
    expect(existsSync(root)).toBe(false);
  });

  it("refuses content whose digest is wrong, and says NOT_FOUND for what nobody has", async () => {
    await registry.add({ name: "library/bad:latest", layers: [[{ header: { name: "f" }, content: "x" }]] });
    registry.corruptBlobs();
    const store = open(registry.url);
    await expect(store.pull("bad", undefined, signal)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    expect(store.list()).toEqual([]);
    await expect(store.pull("127.0.0.1:1/none:1", undefined, signal)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
