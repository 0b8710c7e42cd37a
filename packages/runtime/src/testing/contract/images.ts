import { busyboxImage, registryPort } from "../contract-images.js";
import { call } from "../cri-client.js";
import { type ContractNode, code } from "./contract-node.js";

const spec = (image: string) => ({ image, annotations: {}, userSpecifiedImage: "", runtimeHandler: "" });

export function describeImages(node: () => ContractNode, ignoresImageFilter: boolean): void {
  const ask = () => node().client.images;
  const pull = (image: string) => call(ask(), ask().pullImage, { image: spec(image), auth: undefined, sandboxConfig: undefined });
  const status = async (image: string) => (await call(ask(), ask().imageStatus, { image: spec(image), verbose: false })).image;
  const byDigest = () => `127.0.0.1:${registryPort}/test/busybox@${node().images.busyboxDigest}`;

  describe("images", () => {
    it("are known by tag, digest and ID after a pull by tag", async () => {
      expect((await pull(busyboxImage)).imageRef).toBe(node().images.busyboxID);
      const image = await status(busyboxImage);
      expect(image).toMatchObject({ id: node().images.busyboxID, repoTags: [busyboxImage], repoDigests: [byDigest()] });
      expect(image?.size).toBeGreaterThan(0n);
      expect((await status(byDigest()))?.id).toBe(node().images.busyboxID);
      expect((await status(node().images.busyboxID))?.id).toBe(node().images.busyboxID);
    });

    it("are pulled by digest, without a tag", async () => {
      await call(ask(), ask().removeImage, { image: spec(busyboxImage) });
      expect(await status(busyboxImage)).toBeUndefined();
      expect((await pull(byDigest())).imageRef).toBe(node().images.busyboxID);
      expect(await status(byDigest())).toMatchObject({ repoTags: [], repoDigests: [byDigest()] });
      await pull(busyboxImage);
      expect(await status(busyboxImage)).toMatchObject({ repoTags: [busyboxImage], repoDigests: [byDigest()] });
    });

    it("are listed, all or one", async () => {
      const list = async (image: string) =>
        (await call(ask(), ask().listImages, { filter: { image: spec(image) } })).images.map((entry) => entry.id);
      expect(await list("")).toContain(node().images.busyboxID);
      expect(await list(busyboxImage)).toContain(node().images.busyboxID);
      // containerd leaves the filter out of account and lists all.
      if (ignoresImageFilter) return;
      expect(await list(busyboxImage)).toHaveLength(1);
      expect(await list(`127.0.0.1:${registryPort}/test/absent:1`)).toEqual([]);
    });

    it("that do not exist are not found, and have no status", async () => {
      await expect(pull(`127.0.0.1:${registryPort}/test/absent:1`)).rejects.toMatchObject({ code: code.notFound });
      expect(await status(`127.0.0.1:${registryPort}/test/absent:1`)).toBeUndefined();
    });

    it("are removed as often as asked", async () => {
      const absent = { image: spec(`127.0.0.1:${registryPort}/test/absent:1`) };
      await call(ask(), ask().removeImage, absent);
      await call(ask(), ask().removeImage, absent);
    });

    it("stand on a file system that is told", async () => {
      const { imageFilesystems } = await call(ask(), ask().imageFsInfo, {});
      expect(imageFilesystems[0]?.fsId?.mountpoint).toMatch(/^\//);
    });
  });
}
