// The registry on the lab's fabric: the read side of the OCI distribution protocol over plain HTTP.
//
// Runtimes ask it as a mirror of every registry: the query parameter `ns` says which one they mean.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Descriptor, ImageStore, mediaTypes } from "./image-store.js";

export interface RegistryOptions {
  readonly address: string;
  readonly port: number;
  readonly folder: string;
}

/** Serves the images of a folder. Returns the function that stops. */
export async function serveRegistry(options: RegistryOptions): Promise<() => Promise<void>> {
  const store = new ImageStore(options.folder);
  const server = createServer((request, response) => {
    try {
      answer(store, request, response);
    } catch (error) {
      sendError(response, 500, "UNKNOWN", error instanceof Error ? error.message : String(error));
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.address, resolve);
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

function answer(store: ImageStore, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://registry");
  if (request.method !== "GET" && request.method !== "HEAD") {
    sendError(response, 405, "UNSUPPORTED", "This registry is read-only: use `lenj image load`");
    return;
  }
  if (url.pathname === "/v2/" || url.pathname === "/v2") {
    response.writeHead(200, { "docker-distribution-api-version": "registry/2.0" }).end();
    return;
  }
  const match = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname);
  if (match === null) {
    sendError(response, 404, "NAME_UNKNOWN", "repository name not known to registry");
    return;
  }
  const [, repository, kind, reference] = match as unknown as [string, string, string, string];
  if (kind === "blobs") sendBlob(store, request, response, { mediaType: "application/octet-stream", digest: reference, size: 0 });
  else sendManifest(store, request, response, repository, reference, url.searchParams.get("ns"));
}

function sendManifest(
  store: ImageStore,
  request: IncomingMessage,
  response: ServerResponse,
  repository: string,
  reference: string,
  namespace: string | null,
): void {
  if (reference.startsWith("sha256:")) {
    sendBlob(store, request, response, { mediaType: mediaTypes.manifest, digest: reference, size: 0 });
    return;
  }
  const wanted = `${repository}:${reference}`;
  const found = Object.entries(store.names()).find(([name]) =>
    namespace === null ? name === wanted || name.endsWith(`/${wanted}`) : name === `${namespace}/${wanted}`,
  );
  if (found === undefined)
    sendError(response, 404, "MANIFEST_UNKNOWN", `manifest unknown: ${namespace === null ? "" : `${namespace}/`}${wanted}`);
  else sendBlob(store, request, response, found[1]);
}

function sendBlob(store: ImageStore, request: IncomingMessage, response: ServerResponse, descriptor: Descriptor): void {
  if (!/^sha256:[0-9a-f]{64}$/.test(descriptor.digest) || !store.hasBlob(descriptor.digest)) {
    sendError(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
    return;
  }
  response.writeHead(200, {
    "content-type": descriptor.mediaType === mediaTypes.manifest ? manifestType(store, descriptor.digest) : descriptor.mediaType,
    "content-length": store.blobSize(descriptor.digest),
    "docker-content-digest": descriptor.digest,
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  store
    .streamBlob(descriptor.digest)
    .on("error", () => response.destroy())
    .pipe(response);
}

/** A loaded archive keeps the media type its manifest was written with. */
function manifestType(store: ImageStore, digest: string): string {
  const manifest = JSON.parse(store.readBlob(digest).toString("utf8")) as { mediaType?: string };
  return manifest.mediaType ?? mediaTypes.manifest;
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ errors: [{ code, message }] }));
}
