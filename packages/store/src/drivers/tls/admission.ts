// Whether a connection whose certificate was verified may go on: who else has a say besides the authority.
//
// A1. What cannot be decided is refused: no certificate where a name is asked for, a revocation list that cannot be read.
// A2. The list is read for every connection, so that a new one counts at once.
// Source: etcd client/pkg/transport (tlsListener.check, TLSInfo.baseConfig).
import { readFileSync } from "node:fs";
import { checkServerIdentity, type DetailedPeerCertificate } from "node:tls";
import { revokedSerials, serialText } from "./revocation-list.js";

export interface AdmissionRules {
  /** Empty: none. */
  readonly crlFile: string;
  /** Common names, of which one is asked for; none: any. */
  readonly allowedCNs: readonly string[];
  /** Host names, for one of which the certificate must be good; none: any. */
  readonly allowedHostnames: readonly string[];
}

/** Why a connection is refused; undefined: it is not. `certificate` is an empty object when none was shown. */
export function refusalOf(
  certificate: DetailedPeerCertificate,
  { crlFile, allowedCNs, allowedHostnames }: AdmissionRules,
): string | undefined {
  const isShown = certificate.raw !== undefined;
  if (crlFile !== "" && isShown) {
    try {
      const revoked = revokedSerials(readFileSync(crlFile));
      const serial = serialsOf(certificate).find((candidate) => revoked.has(candidate));
      if (serial !== undefined) return `certificate serial ${serial.toLowerCase()} revoked`;
    } catch (error) {
      return (error as Error).message;
    }
  }
  if (allowedCNs.length === 0 && allowedHostnames.length === 0) return undefined;
  const cn: unknown = isShown ? certificate.subject.CN : undefined;
  const isNamed = typeof cn === "string" && allowedCNs.includes(cn);
  const isHost = isShown && allowedHostnames.some((host) => checkServerIdentity(host, certificate) === undefined);
  return isNamed || isHost ? undefined : "client certificate authentication failed";
}

/** Its own, and those of the certificates that vouch for it, up to the one that vouches for itself. */
function serialsOf(certificate: DetailedPeerCertificate): string[] {
  const serials: string[] = [];
  const seen = new Set<DetailedPeerCertificate>();
  for (let at: DetailedPeerCertificate | undefined = certificate; at?.raw !== undefined && !seen.has(at); at = at.issuerCertificate) {
    seen.add(at);
    serials.push(serialText(at.serialNumber));
  }
  return serials;
}
