// Tells whether a service account's token that a client shows is still good.
//
// T1. A bound token is good while it has not expired and the account, and what it is bound to, exist with the same uid.
// T2. A token kept in a secret is good while that secret holds exactly this token and the account exists with the same uid.
// T3. Nothing is called gone on the word of the cache alone: a pod may be younger than what the cache has.
// Source: pkg/serviceaccount (jwt.go, claims.go, legacy.go); KEP-1205, KEP-4193.
import type { Clock } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import type { AuthenticationResult, Authenticator, Credentials, KubeObject, ObjectReader, UserInfo } from "./ports.js";
import { type Claims, openToken, type TokenKeys, type TokenSettings } from "./token-keys.js";

type Secret = KubeObject & corev1.Secret;
interface Reference {
  readonly name?: string;
  readonly uid?: string;
}

const legacyIssuer = "kubernetes/serviceaccount";
/** Clocks may differ this much, and what is being deleted serves this long after its time. */
const leewayMs = 60_000;
const invalidSinceLabel = "kubernetes.io/legacy-token-invalid-since";
const invalidated = "service account token has been invalidated";
const extraPrefix = "authentication.kubernetes.io/";

/** The token is ours and is bad; the text is for logs and TokenReview. */
class InvalidToken extends Error {}

export class ServiceAccountAuthenticator implements Authenticator {
  constructor(
    readonly keys: TokenKeys,
    readonly settings: TokenSettings,
    readonly reader: ObjectReader,
    readonly clock: Clock,
  ) {}

  authenticate({ bearerToken }: Pick<Credentials, "bearerToken">, signal: AbortSignal): Promise<AuthenticationResult> {
    return this.check(bearerToken, this.settings.audiences, signal);
  }

  async check(token: string | undefined, audiences: readonly string[], signal: AbortSignal): Promise<AuthenticationResult> {
    const claims = token === undefined ? undefined : openToken(this.keys, token);
    if (token === undefined || claims === undefined) return { outcome: "none" };
    try {
      if (claims.iss === legacyIssuer) return { outcome: "authenticated", user: await this.#checkLegacy(token, claims, signal) };
      if (!this.settings.issuers.includes(claims.iss ?? "")) return { outcome: "none" };
      const shared = this.#checkAudiences(claims, audiences);
      return { outcome: "authenticated", user: await this.#checkBound(claims, signal), audiences: shared };
    } catch (error) {
      if (error instanceof InvalidToken) return { outcome: "invalid", message: error.message };
      throw error;
    }
  }

  #checkAudiences({ aud }: Claims, audiences: readonly string[]): readonly string[] {
    const named = typeof aud === "string" ? [aud] : (aud ?? []);
    const shared = named.filter((audience) => audiences.includes(audience));
    if (shared.length > 0) return shared;
    throw new InvalidToken(`token audiences ${JSON.stringify(named)} is invalid for the target audiences ${JSON.stringify(audiences)}`);
  }

  async #checkBound(claims: Claims, signal: AbortSignal): Promise<UserInfo> {
    const nowMs = this.clock.wallMs();
    if ((claims.exp ?? 0) * 1_000 <= nowMs - leewayMs) throw new InvalidToken("service account token has expired");
    if ((claims.nbf ?? 0) * 1_000 > nowMs + leewayMs) throw new InvalidToken("service account token could not be validated");
    const { namespace = "", serviceaccount, pod, secret, node } = claims["kubernetes.io"] ?? {};
    const account = await this.#find("serviceaccounts", namespace, serviceaccount, signal);
    if (account === undefined) throw new InvalidToken(`serviceaccounts ${JSON.stringify(serviceaccount?.name ?? "")} not found`);
    const accountUID = account.metadata?.uid ?? "";
    if (accountUID !== serviceaccount?.uid)
      throw new InvalidToken(`service account UID (${accountUID}) does not match claim (${serviceaccount?.uid ?? ""})`);
    if (this.#isOver(account)) throw new InvalidToken("service account has been deleted");
    await this.#checkBinding("secrets", namespace, secret, { what: "secret", claim: "service account secret ref" }, signal);
    await this.#checkBinding("pods", namespace, pod, { what: "pod", claim: "service account pod ref" }, signal);
    // Beside a pod the node only says where the pod runs.
    if (pod === undefined) await this.#checkBinding("nodes", undefined, node, { what: "node", claim: "service account node ref" }, signal);
    return userOf(namespace, account.metadata?.name ?? "", accountUID, {
      ...(claims.jti === undefined ? {} : { [`${extraPrefix}credential-id`]: [`JTI=${claims.jti}`] }),
      ...(pod === undefined ? {} : { [`${extraPrefix}pod-name`]: [pod.name ?? ""], [`${extraPrefix}pod-uid`]: [pod.uid ?? ""] }),
      ...(node === undefined ? {} : { [`${extraPrefix}node-name`]: [node.name ?? ""], [`${extraPrefix}node-uid`]: [node.uid ?? ""] }),
    });
  }

  async #checkBinding(
    resource: string,
    namespace: string | undefined,
    reference: Reference | undefined,
    names: { readonly what: string; readonly claim: string },
    signal: AbortSignal,
  ): Promise<void> {
    if (reference === undefined) return;
    const found = await this.#find(resource, namespace, reference, signal);
    if (found === undefined) throw new InvalidToken(invalidated);
    const uid = found.metadata?.uid ?? "";
    if (uid !== reference.uid)
      throw new InvalidToken(`${names.what} UID (${uid}) does not match ${names.claim} claim (${reference.uid ?? ""})`);
    if (this.#isOver(found)) throw new InvalidToken(invalidated);
  }

  async #checkLegacy(token: string, claims: Claims, signal: AbortSignal): Promise<UserInfo> {
    const read = (name: string): string => claims[`kubernetes.io/serviceaccount/${name}`] ?? "";
    const [namespace, secretName, name, uid] = ["namespace", "secret.name", "service-account.name", "service-account.uid"].map(read) as [
      string,
      string,
      string,
      string,
    ];
    const missing = { namespace, secretName, serviceAccountName: name, serviceAccountUID: uid };
    for (const [claim, value] of Object.entries(missing)) if (value === "") throw new InvalidToken(`${claim} claim is missing`);
    if (claims.sub !== `system:serviceaccount:${namespace}:${name}`) throw new InvalidToken("sub claim is invalid");
    const secret = (await this.#find("secrets", namespace, { name: secretName }, signal)) as Secret | undefined;
    if (secret === undefined || secret.metadata?.deletionTimestamp !== undefined) throw new InvalidToken("Token has been invalidated");
    // The token is compared as it was made; the secret may hold an older or a newer one.
    if (Buffer.from(String(secret.data?.["token"] ?? ""), "base64").toString("utf8") !== token)
      throw new InvalidToken("Token does not match server's copy");
    const account = await this.#find("serviceaccounts", namespace, { name }, signal);
    if (account === undefined) throw new InvalidToken(`serviceaccounts ${JSON.stringify(name)} not found`);
    if (account.metadata?.deletionTimestamp !== undefined) throw new InvalidToken(`ServiceAccount ${namespace}/${name} has been deleted`);
    if (account.metadata?.uid !== uid)
      throw new InvalidToken(`ServiceAccount UID (${account.metadata?.uid ?? ""}) does not match claim (${uid})`);
    if (secret.metadata?.labels?.[invalidSinceLabel])
      throw new InvalidToken(
        `the token in secret ${namespace}/${secretName} for service account ${namespace}/${name} has been marked invalid. ` +
          "Use tokens from the TokenRequest API or manually created secret-based tokens, " +
          `or remove the '${invalidSinceLabel}' label from the secret to temporarily allow use of this token`,
      );
    return userOf(namespace, name, uid, {});
  }

  /** From the cache; from the store when the cache has it not, or has another one of that name. */
  async #find(
    resource: string,
    namespace: string | undefined,
    { name = "", uid }: Reference = {},
    signal: AbortSignal,
  ): Promise<KubeObject | undefined> {
    const known = this.reader.get({ group: "", resource }, namespace, name);
    if (known !== undefined && (uid === undefined || known.metadata?.uid === uid)) return known;
    return this.reader.getFresh({ group: "", resource }, namespace, name, signal);
  }

  /** A deletion that should have ended a while ago counts as done, whatever holds it up. */
  #isOver({ metadata }: KubeObject): boolean {
    const endMs = !metadata?.deletionTimestamp ? undefined : Date.parse(metadata.deletionTimestamp);
    return endMs !== undefined && endMs < this.clock.wallMs() - leewayMs;
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
