import "reflect-metadata";
import { webcrypto, X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { createAuthority, issueCertificate, readSigningRequest, signSigningRequest } from "./pki.js";

const nowMs = Date.now();

describe("issueCertificate()", () => {
  it("signs a server certificate that the authority verifies, with its names and organisations", async () => {
    const authority = await createAuthority({ commonName: "kubernetes", validDays: 10, nowMs });
    const issued = await issueCertificate(authority, {
      commonName: "system:node:n1",
      organizations: ["system:nodes"],
      dnsNames: ["n1"],
      ipAddresses: ["10.0.0.1"],
      usages: ["server", "client"],
      validDays: 1,
      nowMs,
    });
    const certificate = new X509Certificate(issued.cert);
    expect(certificate.verify(new X509Certificate(authority.cert).publicKey)).toBe(true);
    expect(certificate.subject).toBe("O=system:nodes\nCN=system:node:n1");
    expect(certificate.subjectAltName).toBe("DNS:n1, IP Address:10.0.0.1");
    expect(certificate.ca).toBe(false);
  });
});

describe("signSigningRequest()", () => {
  it("signs the key of the request under the subject it was given", async () => {
    const authority = await createAuthority({ commonName: "kubernetes", validDays: 10, nowMs });
    const keys = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({
      name: "O=developers, CN=jane",
      keys,
      signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    });
    const request = await readSigningRequest(csr.toString("pem"));
    expect(request).toMatchObject({ commonName: "jane", organizations: ["developers"] });
    const pem = await signSigningRequest(authority, csr.toString("pem"), { ...request, usages: ["client"], validDays: 1, nowMs });
    expect(new X509Certificate(pem).subject).toBe("O=developers\nCN=jane");
  });
});
