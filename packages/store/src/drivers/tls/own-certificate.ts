// --auto-tls and --peer-auto-tls: a certificate that the member makes for itself, once, in its data folder.
// Source: etcd client/pkg/transport/listener.go (SelfCert).
import { existsSync, mkdirSync, writeFileSync } from "node:fs";

export interface OwnCertificateOptions {
  /** "<data-dir>/fixtures/client" or ".../peer". */
  readonly folder: string;
  /** Addresses and names that it is good for. */
  readonly hosts: readonly string[];
  readonly validYears: number;
  readonly nowMs: number;
}

/** Makes the files where they are not there yet. */
export async function ensureOwnCertificate({ folder, hosts, validYears, nowMs }: OwnCertificateOptions): Promise<void> {
  const { certFile, keyFile } = ownCertificateFiles(folder);
  if (existsSync(certFile) && existsSync(keyFile)) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { createSelfSigned } = await import("@lenj/component-base/pki");
  const { cert, key } = await createSelfSigned({ organization: "etcd", hosts, validDays: validYears * 365, nowMs });
  writeFileSync(certFile, cert, { mode: 0o644 });
  writeFileSync(keyFile, key, { mode: 0o600 });
}

export const ownCertificateFiles = (folder: string): { readonly certFile: string; readonly keyFile: string } => ({
  certFile: `${folder}/cert.pem`,
  keyFile: `${folder}/key.pem`,
});
