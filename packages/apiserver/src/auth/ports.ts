// What the request pipeline asks of authentication and authorization. Implementations live beside this file.
import type { KubernetesObject } from "@lenj/apimachinery";

/** Who is asking. Group names include `system:authenticated` or `system:unauthenticated`. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** The certificate that the client presented on the connection. */
export interface ClientCertificate {
  /** True when TLS verified the chain against --client-ca-file; an unverified certificate proves nothing. */
  readonly verified: boolean;
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly raw: Uint8Array;
}

/** What a request carries to prove who sent it. The same for REST and gRPC. */
export interface Credentials {
  readonly clientCertificate?: ClientCertificate | undefined;
  /** From `Authorization: Bearer`, gRPC metadata, or the WebSocket bearer subprotocol. */
  readonly bearerToken?: string | undefined;
  /** Request header by lower-case name (for front-proxy headers). */
  header(name: string): string | undefined;
}

/**
 * - `authenticated`: the user is known.
 * - `none`: these credentials are not for this authenticator; the next one is asked.
 * - `invalid`: the credentials are for this authenticator and are bad; the request ends with 401 unless another one knows the user.
 */
export type AuthenticationResult =
  | { readonly outcome: "authenticated"; readonly user: UserInfo; readonly audiences?: readonly string[] }
  | { readonly outcome: "none" }
  | { readonly outcome: "invalid"; readonly message: string };

export interface Authenticator {
  authenticate(credentials: Credentials, signal: AbortSignal): AuthenticationResult | Promise<AuthenticationResult>;
}

/** One question to the authorizer, in kube-apiserver's terms (`authorizer.Attributes`). */
export interface AuthorizerAttributes {
  readonly user: UserInfo;
  /** get, list, watch, create, update, patch, delete, deletecollection, impersonate, ...; for non-resource requests the lower-case HTTP method. */
  readonly verb: string;
  readonly isResourceRequest: boolean;
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly resource: string;
  readonly subresource: string;
  /** Empty for cluster-scoped resources and requests over all namespaces. */
  readonly namespace: string;
  readonly name: string;
  /** Set for non-resource requests. */
  readonly path: string;
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
}

export interface AuthorizationResult {
  readonly decision: "allow" | "deny" | "noOpinion";
  /** For logs, audit and the 403 text; may be empty. */
  readonly reason: string;
}

/** The rules a user has in a namespace, for SelfSubjectRulesReview. */
export interface SubjectRules {
  readonly resourceRules: readonly { verbs: string[]; apiGroups?: string[]; resources?: string[]; resourceNames?: string[] }[];
  readonly nonResourceRules: readonly { verbs: string[]; nonResourceURLs?: string[] }[];
  readonly incomplete: boolean;
  readonly evaluationError?: string;
}

export interface Authorizer {
  /** Synchronous where the answer comes from caches. Never throws for a denial. */
  authorize(attributes: AuthorizerAttributes, signal: AbortSignal): AuthorizationResult | Promise<AuthorizationResult>;
  rulesFor?(user: UserInfo, namespace: string): SubjectRules;
}

/** Any API object in its JSON form. Objects read from the cache are shared: never mutate them. */
export type KubeObject = KubernetesObject;

export interface GroupResource {
  /** Empty for the core group. */
  readonly group: string;
  /** Plural, lower case. */
  readonly resource: string;
}

/** Reads stored objects: from the watch cache (at most a few milliseconds behind), or, `getFresh`, from the store itself. */
export interface ObjectReader {
  get<T extends KubeObject>(resource: GroupResource, namespace: string | undefined, name: string): T | undefined;
  /** All namespaces when `namespace` is undefined. In key order. */
  list<T extends KubeObject>(resource: GroupResource, namespace?: string): readonly T[];
  getFresh<T extends KubeObject>(
    resource: GroupResource,
    namespace: string | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<T | undefined>;
  /**
   * Calls `onChange` after every change of the resource, with the old and the new state (undefined: did not exist, or is gone),
   * and once per existing object at the start. Returns the function that ends it.
   */
  observe<T extends KubeObject>(resource: GroupResource, onChange: (before: T | undefined, after: T | undefined) => void): () => void;
}

/** Writes as the api-server itself (user system:apiserver), through admission and validation. Rejects with StatusError. */
export interface ObjectWriter {
  create<T extends KubeObject>(resource: GroupResource, namespace: string | undefined, object: T, signal?: AbortSignal): Promise<T>;
  update<T extends KubeObject>(resource: GroupResource, namespace: string | undefined, object: T, signal?: AbortSignal): Promise<T>;
  delete(resource: GroupResource, namespace: string | undefined, name: string, signal?: AbortSignal): Promise<void>;
}

/** The request that a create-only resource (a review, serviceaccounts/token) answers. */
export interface ReviewRequest {
  readonly user: UserInfo;
  /** Empty for cluster-scoped reviews. */
  readonly namespace: string;
  /** Name of the parent object for subresources (serviceaccounts/token), else empty. */
  readonly name: string;
  readonly object: KubeObject;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

/** Answers POSTs to a resource that is computed, never stored. The result is sent with code 201. */
export type ReviewHandler = (request: ReviewRequest) => KubeObject | Promise<KubeObject>;

/** A document served at a fixed path outside the resource API, such as /openid/v1/jwks. */
export interface WellKnownDocument {
  readonly path: string;
  readonly contentType: string;
  body(): Uint8Array | string | Promise<Uint8Array | string>;
}

/** Work done once the server can read and write objects; readiness waits for it. Retried until it succeeds. */
export interface PostStartHook {
  /** Shown in /readyz as `poststarthook/<name>`. */
  readonly name: string;
  run(tools: { readonly reader: ObjectReader; readonly writer: ObjectWriter; readonly signal: AbortSignal }): Promise<void>;
}

/** Everything that src/auth gives to the server. */
export interface AuthModule {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  /** Keyed `<group>/<resource>[/<subresource>]`, core group empty: "authorization.k8s.io/selfsubjectaccessreviews", "/serviceaccounts/token". */
  readonly reviews: ReadonlyMap<string, ReviewHandler>;
  readonly documents: readonly WellKnownDocument[];
  readonly hooks: readonly PostStartHook[];
  close(): Promise<void>;
}
