// How a TLS client of a library that always sends a server name treats a peer that is known by its address only.
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

/** What to give a TLS client for one peer. Empty where the peer has a name: libraries then do right by themselves. */
export interface TLSPeer {
  /** To be sent instead of the address. */
  readonly serverName?: string;
  /** Says what is wrong with the peer's certificate: it must be valid for the address, whatever name was sent. */
  readonly checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined;
}

/**
 * `target` is "host:port", "[v6 address]:port" or either without port. The server name of TLS must not be an address
 * (RFC 6066, section 3), so one that stands for the address is sent; servers with one certificate do not look at it.
 */
export function tlsPeerOf(target: string): TLSPeer {
  const host = /^\[(.+)\](?::\d+)?$/.exec(target)?.[1] ?? (isIP(target) === 6 ? target : target.replace(/:\d+$/, ""));
  if (isIP(host) === 0) return {};
  return {
    serverName: `ip-${host.split(/[.:]+/).filter(Boolean).join("-")}`,
    checkServerIdentity: (_sent, certificate) => checkServerIdentity(host, certificate),
  };
}
