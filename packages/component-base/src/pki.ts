// Certificates: a cluster authority and what it signs. Its own door (`@lenj/component-base/pki`), because the X.509
// library costs memory that most processes never need.
import "reflect-metadata";
import { createHash, generateKeyPairSync, type KeyObject, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** PEM texts. The key is PKCS#8. */
export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Kubernetes reads them as the user's groups. */
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usages: readonly ("server" | "client")[];
  readonly validDays: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** A new self-signed authority. */
export async function createAuthority(options: { commonName: string; validDays: number; nowMs: number }): Promise<KeyedCertificate> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [options.commonName] }],
    notBefore: new Date(options.nowMs - clockSkewMs),
    notAfter: new Date(options.nowMs + options.validDays * dayMs),
    signingAlgorithm: algorithm,
    keys: keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

/** A new key and a server's certificate for it that nobody else vouches for. `hosts`: addresses and names that it is good for. */
export async function createSelfSigned(options: {
  readonly organization: string;
  readonly hosts: readonly string[];
  readonly validDays: number;
  readonly nowMs: number;
}): Promise<KeyedCertificate> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const names = options.hosts.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value }));
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ O: [options.organization] }],
    notBefore: new Date(options.nowMs - clockSkewMs),
    notAfter: new Date(options.nowMs + options.validDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension(names),
    ],
  });
  return { cert: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

/** A new key and a certificate for it, signed by `authority`. */
export async function issueCertificate(authority: KeyedCertificate, request: CertificateRequest): Promise<KeyedCertificate> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const cert = await signPublicKey(authority, keys.publicKey, request);
  return { cert, key: await exportKey(keys.privateKey) };
}

/** What a certificate signing request asks for. Throws Error when it is not one or its signature is wrong. */
export async function readSigningRequest(pem: string): Promise<Omit<CertificateRequest, "usages" | "validDays" | "nowMs">> {
  const csr = new x509.Pkcs10CertificateRequest(pem);
  if (!(await csr.verify())) throw new Error("Cannot read certificate request: its signature does not match its key");
  const names = csr.extensions.find((extension) => extension instanceof x509.SubjectAlternativeNameExtension) as
    | x509.SubjectAlternativeNameExtension
    | undefined;
  const alternatives = names?.names.toJSON() ?? [];
  return {
    commonName: csr.subjectName.getField("CN")[0] ?? "",
    organizations: csr.subjectName.getField("O"),
    dnsNames: alternatives.filter((name) => name.type === "dns").map((name) => name.value),
    ipAddresses: alternatives.filter((name) => name.type === "ip").map((name) => name.value),
  };
}

/** Signs the key of a certificate signing request, with the subject and names of `request`. Returns PEM. */
export function signSigningRequest(authority: KeyedCertificate, csrPEM: string, request: CertificateRequest): Promise<string> {
  const csr = new x509.Pkcs10CertificateRequest(csrPEM);
  return csr.publicKey.export(webcrypto).then((publicKey) => signPublicKey(authority, publicKey, request));
}

/** A key pair for signing service-account tokens: RSA as upstream's default, PEM texts. */
export function createServiceAccountKey(): { privateKey: string; publicKey: string } {
  const pair: { privateKey: KeyObject; publicKey: KeyObject } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    privateKey: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKey: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

const dayMs = 86_400_000;
/** Certificates are valid from a little before now, for hosts whose clock lags. */
const clockSkewMs = 5 * 60_000;

async function signPublicKey(authority: KeyedCertificate, publicKey: webcrypto.CryptoKey, request: CertificateRequest): Promise<string> {
  const issuer = new x509.X509Certificate(authority.cert);
  const signingKey = await importKey(authority.key);
  const names: x509.JsonGeneralName[] = [
    ...(request.dnsNames ?? []).map((value) => ({ type: "dns" as const, value })),
    ...(request.ipAddresses ?? []).map((value) => ({ type: "ip" as const, value })),
  ];
  const usages = request.usages.map((usage) => (usage === "server" ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [...(request.organizations ?? []).map((organization) => ({ O: [organization] })), { CN: [request.commonName] }],
    issuer: issuer.subjectName,
    notBefore: new Date(request.nowMs - clockSkewMs),
    notAfter: new Date(request.nowMs + request.validDays * dayMs),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension(usages),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      // An empty list would fail strict verification.
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return certificate.toString("pem");
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{1,64}/g, "$&\n")}-----END PRIVATE KEY-----\n`;
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  return await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
}

/** 16 random bytes, positive as RFC 5280 §4.1.2.2 asks. */
function serialNumber(): string {
  const bytes = createHash("sha256")
    .update(webcrypto.getRandomValues(new Uint8Array(32)))
    .digest()
    .subarray(0, 16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return bytes.toString("hex");
}
