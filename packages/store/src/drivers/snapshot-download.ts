// Fetches a snapshot from a running member into a file. Upstream: client/v3/snapshot.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { ChannelCredentials, type ChannelOptions, Metadata } from "@grpc/grpc-js";
import { tlsPeerOf } from "@lenj/base";
import { etcdserverpb } from "@lenj/proto/etcd";
import { StoreError } from "../core/errors.js";

export interface SnapshotDownloadOptions {
  /** `host:port`, or a URL. */
  readonly endpoint: string;
  readonly path: string;
  /** PEM. Absent: plain unless the endpoint says https. */
  readonly tls: { readonly ca: Buffer | undefined; readonly cert: Buffer | undefined; readonly key: Buffer | undefined } | undefined;
  /** "name:password". */
  readonly user: string | undefined;
  readonly signal: AbortSignal;
}

/** Writes `<path>.part` and renames it once all of it is on disk. Returns the version that the server says it is. */
export async function downloadSnapshot(options: SnapshotDownloadOptions): Promise<string> {
  const part = `${options.path}.part`;
  const isSecure = options.endpoint.startsWith("https://") || options.tls !== undefined;
  const client = new etcdserverpb.MaintenanceClient(...channelOf(options, isSecure));
  const file = await open(part, "w", 0o600);
  try {
    const metadata = new Metadata();
    if (options.user !== undefined) metadata.set("token", await authenticate(options, isSecure, options.user));
    const call = client.snapshot({}, metadata);
    const cancel = (): void => call.cancel();
    options.signal.addEventListener("abort", cancel);
    try {
      const version = await receive(call as AsyncIterable<etcdserverpb.SnapshotResponse>, file);
      await file.sync();
      await rename(part, options.path);
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

function authenticate(options: SnapshotDownloadOptions, isSecure: boolean, user: string): Promise<string> {
  const client = new etcdserverpb.AuthClient(...channelOf(options, isSecure));
  const at = user.indexOf(":");
  const request = { name: at < 0 ? user : user.slice(0, at), password: at < 0 ? "" : user.slice(at + 1) };
  return new Promise((resolve, reject) => {
    client.authenticate(request, (error, response) => {
      client.close();
      if (error === null) resolve(response.token);
      else reject(error);
    });
  });
}

function channelOf({ endpoint, tls }: SnapshotDownloadOptions, isSecure: boolean): [string, ChannelCredentials, ChannelOptions] {
  const target = endpoint.replace(/^https?:\/\//, "");
  if (!isSecure) return [target, ChannelCredentials.createInsecure(), {}];
  const { serverName, checkServerIdentity } = tlsPeerOf(target);
  const verify = checkServerIdentity === undefined ? {} : { checkServerIdentity };
  return [
    target,
    ChannelCredentials.createSsl(tls?.ca ?? null, tls?.key ?? null, tls?.cert ?? null, verify),
    serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName },
  ];
}
