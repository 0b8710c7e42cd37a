// Keys of service account tokens, and the tokens' form: JSON Web Tokens signed with RS256 or ES256.
// Source: pkg/serviceaccount (jwt.go, openidmetadata.go).
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";

export interface TokenKeys {
  /** Undefined: no tokens are made. */
  readonly signing: KeyObject | undefined;
  /** By key id. */
  readonly verifying: ReadonlyMap<string, KeyObject>;
}

export interface TokenSettings {
  /** The first one signs; tokens of all of them are good. */
  readonly issuers: readonly [string, ...string[]];
  readonly audiences: readonly string[];
}

export interface Claims {
  readonly iss?: string;
  readonly sub?: string;
  readonly aud?: readonly string[] | string;
  readonly exp?: number;
  readonly nbf?: number;
  readonly jti?: string;
  readonly "kubernetes.io"?: {
    readonly namespace?: string;
    readonly serviceaccount?: { readonly name?: string; readonly uid?: string };
    readonly pod?: { readonly name?: string; readonly uid?: string };
    readonly secret?: { readonly name?: string; readonly uid?: string };
    readonly node?: { readonly name?: string; readonly uid?: string };
  };
  readonly [legacy: `kubernetes.io/serviceaccount/${string}`]: string | undefined;
}

export function readTokenKeys(signingPEM: string | undefined, verifyingPEMs: readonly string[]): TokenKeys {
  const signing = signingPEM === undefined ? undefined : createPrivateKey(signingPEM);
  const verifying = [...(signing === undefined ? [] : [createPublicKey(signing)]), ...verifyingPEMs.map((pem) => createPublicKey(pem))];
  return { signing, verifying: new Map(verifying.map((key) => [keyIDOf(key), key])) };
}

/** As upstream: the hash of the public key in DER, in base64url. */
function keyIDOf(key: KeyObject): string {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("base64url");
}

/** Key set for /openid/v1/jwks. */
export function formatJWKS(keys: TokenKeys): string {
  const list = [...keys.verifying].map(([kid, key]) => ({ use: "sig", kid, alg: algorithmOf(key).name, ...key.export({ format: "jwk" }) }));
  return JSON.stringify({ keys: list });
}

function algorithmOf(key: KeyObject): { name: string; digest: string; options: object } {
  return key.asymmetricKeyType === "ec"
    ? { name: "ES256", digest: "sha256", options: { dsaEncoding: "ieee-p1363" } }
    : { name: "RS256", digest: "sha256", options: {} };
}

export function signToken(key: KeyObject, claims: object): string {
  const { name, digest, options } = algorithmOf(key);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = `${encode({ alg: name, kid: keyIDOf(createPublicKey(key)) })}.${encode(claims)}`;
  return `${head}.${sign(digest, Buffer.from(head), { key, ...options }).toString("base64url")}`;
}

/** The claims of a token that one of the keys signed; undefined for anything else. */
export function openToken(keys: TokenKeys, token: string): Claims | undefined {
  const [head, body, signature, rest] = token.split(".");
  if (head === undefined || body === undefined || signature === undefined || rest !== undefined) return undefined;
  try {
    const { kid, alg } = JSON.parse(Buffer.from(head, "base64url").toString("utf8")) as { kid?: string; alg?: string };
    const named = kid === undefined ? undefined : keys.verifying.get(kid);
    for (const key of named === undefined ? keys.verifying.values() : [named]) {
      const { name, digest, options } = algorithmOf(key);
      if (name !== alg || !verify(digest, Buffer.from(`${head}.${body}`), { key, ...options }, Buffer.from(signature, "base64url")))
        continue;
      return JSON.parse(Buffer.from(body, "base64url").toString("utf8")) as Claims;
    }
  } catch {
    // Not a token of ours.
  }
  return undefined;
}
