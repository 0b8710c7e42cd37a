// Fetches a snapshot from a running member into a file. Upstream: client/v3/snapshot.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { etcdserverpb } from "@lenj/proto/etcd";
import { StoreError } from "../core/errors.js";
import { renameDurably } from "./durable-files.js";
import { authenticate, channelOf, type EndpointAccess } from "./endpoint-channel.js";

export interface SnapshotDownloadOptions extends EndpointAccess {
  /** `host:port`, or a URL. */
  readonly endpoint: string;
  readonly path: string;
  readonly signal: AbortSignal;
}

/** Writes `<path>.part` and renames it once all of it is on disk. Returns the version that the server says it is. */
export async function downloadSnapshot(options: SnapshotDownloadOptions): Promise<string> {
  const part = `${options.path}.part`;
  const client = new etcdserverpb.MaintenanceClient(...channelOf(options.endpoint, options));
  const file = await open(part, "w", 0o600);
  try {
    const call = client.snapshot({}, await authenticate(options.endpoint, options));
    const cancel = (): void => call.cancel();
    options.signal.addEventListener("abort", cancel);
    try {
      const version = await receive(call as AsyncIterable<etcdserverpb.SnapshotResponse>, file);
      await file.sync();
      renameDurably(part, options.path);
      return version;
    } finally {
      options.signal.removeEventListener("abort", cancel);
    }
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    await file.close();
    client.close();
  }
}

/** The last message holds the SHA-256 of those before; a stream that was cut off has none. */
async function receive(call: AsyncIterable<etcdserverpb.SnapshotResponse>, file: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  let version = "";
  let last: Buffer = Buffer.alloc(0);
  for await (const response of call) {
    hash.update(last);
    last = response.blob;
    version = response.version;
    await file.write(response.blob);
  }
  if (!hash.digest().equals(last)) throw new StoreError("DATA_DAMAGED", "Cannot save snapshot: what arrived does not match its sha256");
  return version;
}
