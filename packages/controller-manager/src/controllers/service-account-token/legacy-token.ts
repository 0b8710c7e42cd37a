// The token of a Secret of type kubernetes.io/service-account-token: a JWT without expiry.
// Source: pkg/serviceaccount/legacy.go.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";

export interface LegacyTokenSubject {
  readonly namespace: string;
  readonly serviceAccountName: string;
  readonly serviceAccountUID: string;
  readonly secretName: string;
}

/** Signs with RS256 or ES256, as the key is. */
export class LegacyTokenSigner {
  readonly #key: KeyObject;
  readonly #header: string;

  constructor(privateKeyPEM: string) {
    this.#key = createPrivateKey(privateKeyPEM);
    const der = createPublicKey(this.#key).export({ type: "spki", format: "der" });
    const kid = createHash("sha256").update(der).digest("base64url");
    this.#header = encode({ alg: this.#key.asymmetricKeyType === "ec" ? "ES256" : "RS256", kid });
  }

  sign(subject: LegacyTokenSubject): string {
    const claims = {
      iss: "kubernetes/serviceaccount",
      "kubernetes.io/serviceaccount/namespace": subject.namespace,
      "kubernetes.io/serviceaccount/secret.name": subject.secretName,
      "kubernetes.io/serviceaccount/service-account.name": subject.serviceAccountName,
      "kubernetes.io/serviceaccount/service-account.uid": subject.serviceAccountUID,
      sub: `system:serviceaccount:${subject.namespace}:${subject.serviceAccountName}`,
    };
    const signed = `${this.#header}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: this.#key, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
