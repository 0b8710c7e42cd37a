// A client of another member's peer address, and single questions by it.
import { readFileSync } from "node:fs";
import { ChannelCredentials, type Client, Metadata } from "@grpc/grpc-js";
import { tlsPeerOf } from "@lenj/base";
import { type ClusterInfoReply, PeerClient } from "@lenj/proto/raft";
import type { ClientTLS } from "@lenj/rpc-server";
import type { TLSFiles } from "../../config.js";

/** `target` is "host:port". */
export function peerCredentials(tls: TLSFiles, target: string, isSecure: boolean): ChannelCredentials {
  if (!isSecure) return ChannelCredentials.createInsecure();
  const { checkServerIdentity } = tlsPeerOf(target);
  return ChannelCredentials.createSsl(
    tls.caFile === "" ? null : readFileSync(tls.caFile),
    readFileSync(tls.clientKeyFile),
    readFileSync(tls.clientCertFile),
    { ...(checkServerIdentity === undefined ? {} : { checkServerIdentity }), ...(tls.isSelfMade ? { rejectUnauthorized: false } : {}) },
  );
}

/** The same for the stream that carries raft's messages. Throws when a file cannot be read. */
export function peerTLS(tls: TLSFiles, target: string): ClientTLS {
  const read = (file: string): string => readFileSync(file, "utf8");
  return {
    ...(tls.caFile === "" ? {} : { ca: read(tls.caFile) }),
    cert: read(tls.clientCertFile),
    key: read(tls.clientKeyFile),
    isUnverified: tls.isSelfMade,
    ...tlsPeerOf(target),
  };
}

/** What the member at a peer URL knows of its cluster. Rejects when it does not answer in time. */
export async function askClusterInfo(url: string, tls: TLSFiles, timeoutMs: number): Promise<ClusterInfoReply> {
  const { host, protocol } = new URL(url);
  const { serverName } = tlsPeerOf(host);
  const options = serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName };
  const client = new PeerClient(host, peerCredentials(tls, host, protocol === "https:"), options);
  try {
    return await clusterInfoOf(client, timeoutMs);
  } finally {
    (client as unknown as Client).close();
  }
}

export function clusterInfoOf(client: PeerClient, timeoutMs: number): Promise<ClusterInfoReply> {
  return new Promise((resolve, reject) => {
    client.clusterInfo({}, new Metadata(), { deadline: Date.now() + timeoutMs }, (error, reply) =>
      error === null ? resolve(reply) : reject(error),
    );
  });
}
