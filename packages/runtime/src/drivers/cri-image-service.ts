// The CRI ImageService on top of the image store.
import type { ImageServiceServer, PullImageRequest } from "@lenj/proto/cri";
import { RuntimeError } from "../core/errors.js";
import { unary } from "./cri-handlers.js";
import { describeImage } from "./cri-messages.js";
import type { RegistryCredentials } from "./images/registry-client.js";
import type { Runtime } from "./runtime.js";

/** The store is walked at most this often. */
const usageCacheMs = 30_000;

export function createImageService(runtime: Runtime): ImageServiceServer {
  const { logger, clock } = runtime.environment;
  const { images } = runtime;
  const wrap = <Request, Response>(name: string, handle: (request: Request, signal: AbortSignal) => Promise<Response> | Response) =>
    unary<Request, Response>(logger, name, handle);
  let usage: { at: number; value: ReturnType<typeof images.usage> } | undefined;
  return {
    listImages: wrap("ListImages", ({ filter }) => {
      const wanted = filter?.image?.image ?? "";
      const found = wanted === "" ? images.list() : [images.find(wanted)].filter((image) => image !== undefined);
      return { images: found.map(describeImage) };
    }),
    imageStatus: wrap("ImageStatus", (request) => {
      const image = images.find(request.image?.image ?? "");
      const info: Record<string, string> =
        request.verbose && image !== undefined ? { info: JSON.stringify({ imageSpec: { config: image.config } }) } : {};
      return { image: image === undefined ? undefined : describeImage(image), info };
    }),
    pullImage: wrap("PullImage", async (request, signal) => {
      const name = request.image?.image ?? "";
      if (name === "") throw new RuntimeError("INVALID_ARGUMENT", "image must be set");
      const imageRef = await images.pull(name, readCredentials(request), signal);
      usage = undefined;
      return { imageRef };
    }),
    removeImage: wrap("RemoveImage", (request) => {
      images.remove(request.image?.image ?? "");
      usage = undefined;
      return {};
    }),
    imageFsInfo: wrap("ImageFsInfo", () => {
      if (usage === undefined || clock.monotonicMs() - usage.at > usageCacheMs) usage = { at: clock.monotonicMs(), value: images.usage() };
      const filesystem = {
        timestamp: BigInt(Math.round(clock.wallMs())) * 1_000_000n,
        fsId: { mountpoint: usage.value.directory },
        usedBytes: { value: BigInt(usage.value.usedBytes) },
        inodesUsed: { value: BigInt(usage.value.usedInodes) },
      };
      return { imageFilesystems: [filesystem], containerFilesystems: [filesystem] };
    }),
  };
}

/** Throws RuntimeError INVALID_ARGUMENT for a malformed `auth`. */
function readCredentials(request: PullImageRequest): RegistryCredentials | undefined {
  const { auth } = request;
  if (auth === undefined) return undefined;
  let { username, password } = auth;
  if (username === "" && auth.auth !== "") {
    const decoded = Buffer.from(auth.auth, "base64").toString("utf8");
    const colon = decoded.indexOf(":");
    if (colon < 0) throw new RuntimeError("INVALID_ARGUMENT", `invalid decoded auth: must be user:password`);
    username = decoded.slice(0, colon);
    password = decoded.slice(colon + 1).replace(/\0+$/, "");
  }
  return { username, password, identityToken: auth.identityToken, registryToken: auth.registryToken };
}
