// Tokens of service accounts: signing bound ones, and telling whether one that a client shows is still good.
//
// T1. A bound token is good while it has not expired and the account, and what it is bound to, exist with the same uid.
// Source: pkg/serviceaccount (claims.go, jwt.go); KEP-1205.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { newBadRequest, newInternalError, newNotFound } from "@lenj/apimachinery";
import type { Clock } from "@lenj/base";
import type { authenticationv1, corev1 } from "@lenj/proto/k8s";
import type { AuthenticationResult, Authenticator, Credentials, KubeObject, ObjectReader, ReviewHandler, UserInfo } from "./ports.js";

export interface TokenKeys {
  /** Undefined: no tokens are made. */
  readonly signing: KeyObject | undefined;
  /** By key id. */
  readonly verifying: ReadonlyMap<string, KeyObject>;
}

export interface TokenSettings {
  readonly issuer: string;
  readonly audiences: readonly string[];
}

interface Claims {
  readonly iss?: string;
  readonly sub?: string;
  readonly aud?: readonly string[] | string;
  readonly exp?: number;
  readonly nbf?: number;
  readonly "kubernetes.io"?: {
    readonly namespace?: string;
    readonly serviceaccount?: { readonly name?: string; readonly uid?: string };
    readonly pod?: { readonly name?: string; readonly uid?: string };
    readonly secret?: { readonly name?: string; readonly uid?: string };
    readonly node?: { readonly name?: string; readonly uid?: string };
  };
  readonly [legacy: `kubernetes.io/serviceaccount/${string}`]: string | undefined;
}

const legacyIssuer = "kubernetes/serviceaccount";
const shortestSeconds = 600;
const longestSeconds = 2 ** 32;
/** A pod's default token lives on for a year for clients that never reload it, and says when it should have been reloaded. */
const defaultPodSeconds = 3_607;
const extendedSeconds = 365 * 24 * 3_600;

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

function signToken(key: KeyObject, claims: object): string {
  const { name, digest, options } = algorithmOf(key);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = `${encode({ alg: name, kid: keyIDOf(createPublicKey(key)) })}.${encode(claims)}`;
  return `${head}.${sign(digest, Buffer.from(head), { key, ...options }).toString("base64url")}`;
}

/** The claims of a token that one of the keys signed; undefined for anything else. */
function openToken(keys: TokenKeys, token: string): Claims | undefined {
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

export class ServiceAccountAuthenticator implements Authenticator {
  constructor(
    readonly keys: TokenKeys,
    readonly settings: TokenSettings,
    readonly reader: ObjectReader,
    readonly clock: Clock,
  ) {}

  authenticate({ bearerToken }: Pick<Credentials, "bearerToken">): AuthenticationResult {
    return this.check(bearerToken, this.settings.audiences);
  }

  check(token: string | undefined, audiences: readonly string[]): AuthenticationResult {
    if (token === undefined) return { outcome: "none" };
    const claims = openToken(this.keys, token);
    if (claims === undefined) return { outcome: "none" };
    return claims.iss === legacyIssuer ? this.#checkLegacy(claims) : this.#checkBound(claims, audiences);
  }

  #checkBound(claims: Claims, audiences: readonly string[]): AuthenticationResult {
    const invalid = (message: string): AuthenticationResult => ({ outcome: "invalid", message });
    const nowSeconds = this.clock.wallMs() / 1_000;
    if (claims.iss !== this.settings.issuer) return { outcome: "none" };
    if ((claims.exp ?? 0) <= nowSeconds) return invalid("service account token has expired");
    if ((claims.nbf ?? 0) > nowSeconds + 60) return invalid("service account token is not valid yet");
    const tokenAudiences = typeof claims.aud === "string" ? [claims.aud] : (claims.aud ?? []);
    const shared = tokenAudiences.filter((audience) => audiences.includes(audience));
    if (shared.length === 0)
      return invalid(`token audiences ${JSON.stringify(tokenAudiences)} is invalid for the target audiences ${JSON.stringify(audiences)}`);
    const { namespace = "", serviceaccount, pod, secret, node } = claims["kubernetes.io"] ?? {};
    if (!this.#exists("serviceaccounts", namespace, serviceaccount)) return invalid("service account has been deleted or recreated");
    if (pod !== undefined && !this.#exists("pods", namespace, pod)) return invalid("the pod that the token is bound to is gone");
    if (secret !== undefined && !this.#exists("secrets", namespace, secret))
      return invalid("the secret that the token is bound to is gone");
    const extra = {
      ...(pod === undefined
        ? {}
        : { "authentication.kubernetes.io/pod-name": [pod.name ?? ""], "authentication.kubernetes.io/pod-uid": [pod.uid ?? ""] }),
      ...(node === undefined
        ? {}
        : { "authentication.kubernetes.io/node-name": [node.name ?? ""], "authentication.kubernetes.io/node-uid": [node.uid ?? ""] }),
    };
    return {
      outcome: "authenticated",
      user: userOf(namespace, serviceaccount?.name ?? "", serviceaccount?.uid ?? "", extra),
      audiences: shared,
    };
  }

  #checkLegacy(claims: Claims): AuthenticationResult {
    const read = (name: string): string => claims[`kubernetes.io/serviceaccount/${name}`] ?? "";
    const [namespace, account, uid] = [read("namespace"), read("service-account.name"), read("service-account.uid")];
    const secret = this.reader.get<KubeObject & corev1.Secret>({ group: "", resource: "secrets" }, namespace, read("secret.name"));
    if (secret === undefined || !this.#exists("serviceaccounts", namespace, { name: account, uid }))
      return { outcome: "invalid", message: "service account token has been invalidated" };
    return { outcome: "authenticated", user: userOf(namespace, account, uid, {}) };
  }

  #exists(resource: string, namespace: string, reference: { readonly name?: string; readonly uid?: string } | undefined): boolean {
    const found = this.reader.get({ group: "", resource }, namespace, reference?.name ?? "");
    return found !== undefined && found.metadata?.uid === reference?.uid;
  }
}

function userOf(namespace: string, name: string, uid: string, extra: Readonly<Record<string, readonly string[]>>): UserInfo {
  return {
    username: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    extra,
  };
}

/** Answers POST serviceaccounts/<name>/token. */
export function tokenRequestHandler(keys: TokenKeys, settings: TokenSettings, reader: ObjectReader, clock: Clock): ReviewHandler {
  return async ({ namespace, name, object, signal }) => {
    if (keys.signing === undefined) throw newInternalError(new Error("no signing key is set up for service account tokens"));
    const request = object as KubeObject & authenticationv1.TokenRequest;
    const account = await reader.getFresh({ group: "", resource: "serviceaccounts" }, namespace, name, signal);
    if (account === undefined) throw newNotFound({ group: "", resource: "serviceaccounts" }, name);
    const asked = request.spec?.expirationSeconds ?? 3_600;
    if (asked < shortestSeconds) throw newBadRequest(`may not specify a duration less than 10 minutes`);
    if (asked > longestSeconds) throw newBadRequest("may not specify a duration larger than 2^32 seconds");
    // Clients in Go send null for what they leave out.
    const bound = request.spec?.boundObjectRef ?? undefined;
    const target = bound === undefined ? undefined : await readBoundObject(bound, namespace, reader, signal);
    const podAccount = bound?.kind === "Pod" ? ((target as KubeObject & corev1.Pod).spec?.serviceAccountName ?? "default") : name;
    if (podAccount !== name)
      throw newBadRequest(
        `cannot bind token for serviceaccount ${JSON.stringify(name)} to pod running with different serviceaccount name.`,
      );
    const audiences = (request.spec?.audiences ?? []).length > 0 ? [...(request.spec?.audiences ?? [])] : [...settings.audiences];
    const nowSeconds = Math.floor(clock.wallMs() / 1_000);
    // Only for the API's own audience: others may not know that the token was to be reloaded.
    const isExtended =
      asked === defaultPodSeconds && bound?.kind === "Pod" && audiences.every((audience) => settings.audiences.includes(audience));
    const expires = nowSeconds + (isExtended ? extendedSeconds : asked);
    const pod = bound?.kind === "Pod" ? (target as (KubeObject & corev1.Pod) | undefined) : undefined;
    const nodeName = pod?.spec?.nodeName;
    const node = nodeName === undefined ? undefined : reader.get({ group: "", resource: "nodes" }, undefined, nodeName);
    const token = signToken(keys.signing, {
      aud: audiences,
      exp: expires,
      iat: nowSeconds,
      iss: settings.issuer,
      jti: createHash("sha256")
        .update(`${namespace}/${name}/${clock.wallMs()}/${Math.floor(clock.monotonicMs() * 1_000)}`)
        .digest("hex")
        .slice(0, 32),
      "kubernetes.io": {
        namespace,
        ...(node === undefined ? {} : { node: { name: nodeName, uid: node.metadata?.uid } }),
        ...(bound?.kind === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: target?.metadata?.uid } }),
        serviceaccount: { name, uid: account.metadata?.uid },
        ...(isExtended ? { warnafter: nowSeconds + asked } : {}),
      },
      nbf: nowSeconds,
      sub: `system:serviceaccount:${namespace}:${name}`,
    });
    const expirationTimestamp = new Date((nowSeconds + asked) * 1_000).toISOString().replace(/\.\d+Z$/, "Z");
    return {
      ...request,
      spec: { ...request.spec, audiences, expirationSeconds: asked },
      status: { token, expirationTimestamp },
    } as KubeObject;
  };
}

async function readBoundObject(
  bound: authenticationv1.BoundObjectReference,
  namespace: string,
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<KubeObject> {
  const resources: Readonly<Record<string, string>> = { Pod: "pods", Secret: "secrets", Node: "nodes" };
  const resource = resources[bound.kind ?? ""];
  if (resource === undefined)
    throw newBadRequest(`cannot bind token for serviceaccount to object of type ${bound.apiVersion}, Kind=${bound.kind}`);
  const target = await reader.getFresh({ group: "", resource }, resource === "nodes" ? undefined : namespace, bound.name ?? "", signal);
  if (target === undefined) throw newNotFound({ group: "", resource }, bound.name ?? "");
  if (bound.uid !== undefined && bound.uid !== "" && bound.uid !== target.metadata?.uid)
    throw newBadRequest(
      `the UID in the bound object reference (${bound.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  return target;
}
