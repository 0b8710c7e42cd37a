// How commands reach a store or an etcd that runs: an endpoint, certificates, a user.
import { readFileSync } from "node:fs";
import { ChannelCredentials, type ChannelOptions, Metadata } from "@grpc/grpc-js";
import { tlsPeerOf } from "@lenj/base";
import { etcdserverpb } from "@lenj/proto/etcd";

export interface EndpointAccess {
  /** PEM. Absent: plain unless the endpoint says https. */
  readonly tls: { readonly ca: Buffer | undefined; readonly cert: Buffer | undefined; readonly key: Buffer | undefined } | undefined;
  /** "name:password". */
  readonly user: string | undefined;
}

/** etcdctl's flags of the same names. */
export interface AccessFlags {
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly user?: string;
}

export function readAccess({ cacert, cert, key, user }: AccessFlags): EndpointAccess {
  const read = (file: string | undefined): Buffer | undefined => (file === undefined ? undefined : readFileSync(file));
  const hasTLS = cacert !== undefined || cert !== undefined;
  return { tls: hasTLS ? { ca: read(cacert), cert: read(cert), key: read(key) } : undefined, user };
}

/** What a generated client is made of. `endpoint` is "host:port" or a URL. */
export function channelOf(endpoint: string, { tls }: EndpointAccess): [string, ChannelCredentials, ChannelOptions] {
  const target = endpoint.replace(/^https?:\/\//, "").replace(/\/$/, "");
  if (!endpoint.startsWith("https://") && tls === undefined) return [target, ChannelCredentials.createInsecure(), {}];
  const { serverName, checkServerIdentity } = tlsPeerOf(target);
  const verify = checkServerIdentity === undefined ? {} : { checkServerIdentity };
  return [
    target,
    ChannelCredentials.createSsl(tls?.ca ?? null, tls?.key ?? null, tls?.cert ?? null, verify),
    serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName },
  ];
}

/** The metadata of calls, with a token when there is a user. */
export async function authenticate(endpoint: string, access: EndpointAccess): Promise<Metadata> {
  const metadata = new Metadata();
  if (access.user === undefined) return metadata;
  const client = new etcdserverpb.AuthClient(...channelOf(endpoint, access));
  const at = access.user.indexOf(":");
  const request = { name: at < 0 ? access.user : access.user.slice(0, at), password: at < 0 ? "" : access.user.slice(at + 1) };
  const token = await new Promise<string>((resolve, reject) => {
    client.authenticate(request, (error, response) => (error === null ? resolve(response.token) : reject(error)));
  }).finally(() => client.close());
  metadata.set("token", token);
  return metadata;
}
