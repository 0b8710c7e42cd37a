// One authority and one certificate for every member of both clusters, so that TLS costs both the same.
import { writeFileSync } from "node:fs";
import { createAuthority, issueCertificate } from "@lenj/component-base/pki";

export interface Certificates {
  /** Paths of PEM files. */
  readonly authorityFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** The authority's PEM, for clients. */
  readonly authority: string;
}

/** Writes them into `folder`. */
export async function createCertificates(folder: string): Promise<Certificates> {
  const life = { validDays: 1, nowMs: Date.now() };
  const authority = await createAuthority({ commonName: "bench", ...life });
  const member = await issueCertificate(authority, {
    commonName: "member",
    ipAddresses: ["127.0.0.1"],
    usages: ["server", "client"],
    ...life,
  });
  const files = { authorityFile: `${folder}/ca.crt`, certFile: `${folder}/member.crt`, keyFile: `${folder}/member.key` };
  writeFileSync(files.authorityFile, authority.cert);
  writeFileSync(files.certFile, member.cert);
  writeFileSync(files.keyFile, member.key);
  return { ...files, authority: authority.cert };
}

/** Client faces prove themselves to clients; members prove themselves to each other. */
export function certificateFlags({ authorityFile, certFile, keyFile }: Certificates): string[] {
  return [
    ...[`--cert-file=${certFile}`, `--key-file=${keyFile}`],
    ...[`--peer-cert-file=${certFile}`, `--peer-key-file=${keyFile}`],
    ...[`--peer-trusted-ca-file=${authorityFile}`, "--peer-client-cert-auth"],
  ];
}
