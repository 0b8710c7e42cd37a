// Signed tokens: whoever has the key can tell whose a token is, and nothing needs to be remembered.
//
// Signatures are made and checked synchronously, unlike in the usual libraries: requests of a watch stream must be taken in their order,
// and waiting for each would cost more than the check itself.
// J1. A token is taken only with the configured method; what the token says about itself decides nothing.
// Source: etcd server/auth/jwt.go; RFC 7515, RFC 7518 §3.
import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";
import { readFileSync } from "node:fs";
import type { Clock } from "@lenj/base";
import type { AuthIdentity } from "../../core/auth/auth-state.js";
import { StoreError } from "../../core/errors.js";
import type { JWTMethod, JWTOptions } from "./token-options.js";

export class JWTTokens {
  readonly #signingKey: KeyObject | undefined;
  readonly #checkingKey: KeyObject;

  constructor(
    readonly options: Pick<JWTOptions, "method" | "ttlMs">,
    keys: { readonly signing: KeyObject | undefined; readonly checking: KeyObject },
    private readonly clock: Clock,
  ) {
    this.#signingKey = keys.signing;
    this.#checkingKey = keys.checking;
  }

  /** Throws what the system or the key format says; CONFIG_INVALID when the keys do not belong together. */
  static fromFiles(options: JWTOptions, clock: Clock): JWTTokens {
    const { method, publicKeyFile, privateKeyFile } = options;
    if (method.startsWith("HS")) {
      const secret = createSecretKey(readFileSync(privateKeyFile));
      return new JWTTokens(options, { signing: secret, checking: secret }, clock);
    }
    const signing = privateKeyFile === "" ? undefined : createPrivateKey(readFileSync(privateKeyFile));
    const given = publicKeyFile === "" ? undefined : createPublicKey(readFileSync(publicKeyFile));
    const derived = signing === undefined ? undefined : createPublicKey(signing);
    const checking = given ?? derived;
    if (checking === undefined) throw new StoreError("CONFIG_INVALID", "auth: missing key data");
    if (given !== undefined && derived !== undefined && !given.equals(derived))
      throw new StoreError("CONFIG_INVALID", "auth: public and private keys don't match");
    return new JWTTokens(options, { signing, checking }, clock);
  }

  /** Throws TOKEN_VERIFY_ONLY when this member has no key to sign with. */
  issue(identity: AuthIdentity): string {
    if (this.#signingKey === undefined) throw new StoreError("TOKEN_VERIFY_ONLY");
    const expirySeconds = Math.floor((this.clock.wallMs() + this.options.ttlMs) / 1_000);
    const signed = `${encode({ alg: this.options.method, typ: "JWT" })}.${encode({ ...identity, exp: expirySeconds })}`;
    return `${signed}.${signature(this.options.method, Buffer.from(signed), this.#signingKey).toString("base64url")}`;
  }

  /** undefined when the token is none of ours, or over. */
  identify(token: string): AuthIdentity | undefined {
    const [head = "", body = "", mark = "", ...rest] = token.split(".");
    if (mark === "" || rest.length > 0) return undefined;
    if (decode(head)?.["alg"] !== this.options.method) return undefined;
    if (!isSignature(this.options.method, Buffer.from(`${head}.${body}`), Buffer.from(mark, "base64url"), this.#checkingKey))
      return undefined;
    const claims = decode(body) ?? {};
    const { username, revision, exp, nbf } = claims;
    const nowSeconds = this.clock.wallMs() / 1_000;
    if (typeof exp === "number" && exp <= nowSeconds) return undefined;
    if (typeof nbf === "number" && nbf > nowSeconds) return undefined;
    return typeof username === "string" && typeof revision === "number" ? { username, revision } : undefined;
  }
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function decode(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Not JSON, so no token.
  }
}

function hashOf(method: JWTMethod): string | undefined {
  return method === "EdDSA" ? undefined : `sha${method.slice(2)}`;
}

function keyOptions(method: JWTMethod, key: KeyObject) {
  if (method.startsWith("PS")) return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return method.startsWith("ES") ? { key, dsaEncoding: "ieee-p1363" as const } : { key };
}

function signature(method: JWTMethod, data: Buffer, key: KeyObject): Buffer {
  const hash = hashOf(method);
  if (method.startsWith("HS"))
    return createHmac(hash ?? "", key)
      .update(data)
      .digest();
  return sign(hash, data, keyOptions(method, key));
}

function isSignature(method: JWTMethod, data: Buffer, mark: Buffer, key: KeyObject): boolean {
  if (!method.startsWith("HS")) return verify(hashOf(method), data, keyOptions(method, key), mark);
  const expected = signature(method, data, key);
  return mark.length === expected.length && timingSafeEqual(mark, expected);
}
