// The way of every REST request: identity, limits, authorization, dispatch, and the answer when something goes wrong.
//
// Owns:  order of the steps, request ids, counting of requests in flight, metrics of requests.
// Not:   sockets (see drivers/http-server.ts), what resources do (see handlers/).
// R1. Nothing but the request line and headers is looked at before the client is authorized.
// R2. Every request ends with exactly one answer; what was not expected is logged and answered with 500 that tells nothing.
// R3. Long-running requests (watch, log, exec, proxy) do not count against the limits and have no deadline.
// Source: k8s.io/apiserver pkg/server/config.go DefaultBuildHandlerChain.
import { newForbidden, newMethodNotSupported, newUnauthorized, StatusError } from "@lenj/apimachinery";
import type { Authenticator, Authorizer, AuthorizerAttributes, Credentials, UserInfo } from "../auth/ports.js";
import { findSubresource } from "../core/catalog.js";
import { parseRequestInfo, type RequestInfo } from "../core/request-info.js";
import { type Call, Warnings } from "../handlers/call.js";
import type { Machine } from "../handlers/machine.js";
import type { Exchange } from "./exchange.js";
import { impersonatedUser, impersonationOf } from "./impersonation.js";
import type { RequestMetrics } from "./request-metrics.js";
import { serveResource } from "./resource-routes.js";
import { type Answer, isExpected, sendStatus, sendText, statusOf } from "./respond.js";
import { formatWarning } from "./warning-header.js";

/** Answers paths outside the resource API; undefined means 404. */
export type NonResourceHandler = (exchange: Exchange, answer: Answer, user: UserInfo) => Promise<boolean>;

export interface PipelineOptions {
  readonly machine: Machine;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly nonResource: NonResourceHandler;
  /** 0: no limit. */
  readonly maxRequestsInFlight: number;
  readonly maxMutatingRequestsInFlight: number;
  readonly requestTimeoutMs: number;
  readonly allowAnonymous: boolean;
  /** Paths that need no authorization; a trailing `*` stands for any rest. */
  readonly alwaysAllowPaths: readonly string[];
  readonly metrics: RequestMetrics;
  readonly newAuditID: () => string;
}

export const anonymousUser: UserInfo = { username: "system:anonymous", groups: ["system:unauthenticated"] };

const interactiveSubresources = new Set(["attach", "exec", "portforward"]);
const longRunningSubresources = new Set(["attach", "exec", "proxy", "log", "portforward"]);

export class Pipeline {
  readonly #options: PipelineOptions;
  #inFlight = 0;
  #mutatingInFlight = 0;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  get options(): PipelineOptions {
    return this.#options;
  }

  /** Number of requests being worked on, long-running ones left out. */
  get inFlight(): number {
    return this.#inFlight + this.#mutatingInFlight;
  }

  async serve(exchange: Exchange): Promise<void> {
    const { machine, metrics } = this.#options;
    const startMs = machine.clock.monotonicMs();
    const request = parseRequestInfo(exchange.method, exchange.path, exchange.query);
    const auditID = exchange.header("audit-id") ?? this.#options.newAuditID();
    exchange.setHeader("audit-id", auditID);
    exchange.setHeader("cache-control", "no-cache, private");
    const answer: Answer = { exchange, codec: machine.codec, nowMs: () => machine.clock.wallMs() };
    const warnings = new Warnings();
    let code = 200;
    try {
      await this.#serve(exchange, answer, { request, auditID, warnings });
    } catch (error) {
      if (exchange.signal.aborted) {
        code = 499;
      } else {
        const status = statusOf(error);
        code = status.code;
        if (!isExpected(error)) machine.logger.error("Request failed", { auditID, method: exchange.method, path: exchange.path, error });
        if (!exchange.hasStarted) await this.#sendFailure(answer, error, warnings);
      }
    } finally {
      metrics.onRequestEnd(request, exchange.method, { code, seconds: (machine.clock.monotonicMs() - startMs) / 1_000 });
    }
  }

  async #sendFailure(answer: Answer, error: unknown, warnings: Warnings): Promise<void> {
    setWarnings(answer.exchange, warnings);
    try {
      await sendStatus(answer, statusOf(error));
    } catch {
      // The connection broke while answering; nobody is left to be told.
    }
  }

  async #serve(exchange: Exchange, answer: Answer, about: { request: RequestInfo; auditID: string; warnings: Warnings }): Promise<void> {
    const { request } = about;
    const isLongRunning = isLongRunningRequest(request);
    const user = await this.identify(credentialsOf(exchange), exchange.signal);
    const isMutating = exchange.method !== "GET" && exchange.method !== "HEAD";
    const release = isLongRunning ? () => {} : this.enter(isMutating, user);
    if (release === undefined) return sendText(exchange, 429, "Too many requests, please try again later.", { "retry-after": "1" });
    try {
      const actor = await this.impersonate(exchange, user);
      const attributes = attributesOf(request, actor, exchange);
      await this.authorize(attributes, exchange.signal);
      // A WebSocket opens with GET, but what runs over it is as powerful as POST. Source: AuthorizePodWebsocketUpgradeCreatePermission.
      if (exchange.upgrade !== undefined && request.verb === "get" && interactiveSubresources.has(request.subresource)) {
        await this.authorize({ ...attributes, verb: "create" }, exchange.signal);
      }
      await this.#dispatch(exchange, answer, { ...about, user: actor, isLongRunning });
    } finally {
      release();
    }
  }

  /** Who is asking. Throws StatusError Unauthorized. */
  async identify(credentials: Credentials, signal: AbortSignal): Promise<UserInfo> {
    const result = await this.#options.authenticator.authenticate(credentials, signal);
    if (result.outcome === "authenticated") return result.user;
    if (result.outcome === "none" && this.#options.allowAnonymous) return anonymousUser;
    throw newUnauthorized("Unauthorized");
  }

  /** Throws StatusError Forbidden in upstream's words. */
  async authorize(attributes: AuthorizerAttributes, signal: AbortSignal): Promise<void> {
    if (!attributes.isResourceRequest && this.#options.alwaysAllowPaths.some((pattern) => matchesPath(pattern, attributes.path))) return;
    const result = await this.#options.authorizer.authorize(attributes, signal);
    if (result.decision !== "allow") throw forbidden(attributes, result.reason);
  }

  /** Counts a request in; undefined when there are too many. The result counts it out. */
  enter(isMutating: boolean, user: UserInfo): (() => void) | undefined {
    const { maxRequestsInFlight, maxMutatingRequestsInFlight } = this.#options;
    const isExempt = user.groups.includes("system:masters");
    if (isMutating) {
      if (!isExempt && maxMutatingRequestsInFlight > 0 && this.#mutatingInFlight >= maxMutatingRequestsInFlight) return undefined;
      this.#mutatingInFlight += 1;
      return () => (this.#mutatingInFlight -= 1);
    }
    if (!isExempt && maxRequestsInFlight > 0 && this.#inFlight >= maxRequestsInFlight) return undefined;
    this.#inFlight += 1;
    return () => (this.#inFlight -= 1);
  }

  /** The user in whose name the request is made. Throws StatusError Forbidden when the client may not do that. */
  async impersonate(exchange: Exchange, user: UserInfo): Promise<UserInfo> {
    const wanted = impersonationOf(exchange);
    if (wanted === undefined) return user;
    for (const attributes of wanted.questions(user)) await this.authorize(attributes, exchange.signal);
    return impersonatedUser(wanted);
  }

  async #dispatch(
    exchange: Exchange,
    answer: Answer,
    about: { request: RequestInfo; auditID: string; warnings: Warnings; user: UserInfo; isLongRunning: boolean },
  ): Promise<void> {
    const { machine, requestTimeoutMs } = this.#options;
    const { request, user, auditID, warnings, isLongRunning } = about;
    if (!request.isResourceRequest) {
      if (await this.#options.nonResource(exchange, answer, user)) return;
      return sendText(exchange, 404, "404 page not found\n");
    }
    const declaration = machine.catalog.find(request.apiGroup, request.apiVersion, request.resource);
    if (declaration === undefined) {
      if (!machine.catalog.hasGroupVersion(request.apiGroup, request.apiVersion)) return sendText(exchange, 404, "404 page not found\n");
      throw unknownPath();
    }
    const subresource = request.subresource === "" ? undefined : findSubresource(declaration, request.subresource);
    if (request.subresource !== "" && subresource === undefined) throw unknownPath();
    if (declaration.scope === "Cluster" && request.namespace !== "" && declaration.plural !== "namespaces") throw unknownPath();
    const pathName = request.parts[1] ?? "";
    if (
      declaration.scope === "Namespaced" &&
      request.namespace === "" &&
      (pathName !== "" || request.verb === "create") &&
      declaration.storage !== undefined
    )
      throw methodNotAllowed();
    if (request.verb === "")
      throw newMethodNotSupported({ group: request.apiGroup, resource: request.resource }, exchange.method.toLowerCase());
    const timeout = isLongRunning ? undefined : AbortSignal.timeout(requestTimeoutMs);
    const call: Call = {
      endpoint: { declaration, subresource },
      namespace: declaration.scope === "Cluster" ? "" : request.namespace,
      name: pathName,
      user,
      userAgent: exchange.header("user-agent") ?? "",
      auditID,
      signal: timeout === undefined ? exchange.signal : AbortSignal.any([exchange.signal, timeout]),
      warnings,
    };
    const warned: Exchange = withWarnings(exchange, warnings);
    await serveResource({ machine, call, request, exchange: warned, answer: { ...answer, exchange: warned } });
  }
}

/** Puts the warnings that were collected into the headers just before the answer starts. */
function withWarnings(exchange: Exchange, warnings: Warnings): Exchange {
  return new Proxy(exchange, {
    get(target, property) {
      if (property === "send" || property === "startStream") setWarnings(target, warnings);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

function setWarnings(exchange: Exchange, warnings: Warnings): void {
  if (warnings.texts.length > 0) exchange.setHeader("warning", warnings.texts.map(formatWarning));
}

export function isLongRunningRequest(request: RequestInfo): boolean {
  return request.verb === "watch" || request.verb === "proxy" || longRunningSubresources.has(request.subresource);
}

export function unknownPath(): StatusError {
  return new StatusError({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "the server could not find the requested resource",
    reason: "NotFound",
    details: {},
    code: 404,
  });
}

function methodNotAllowed(): StatusError {
  return new StatusError({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "the server does not allow this method on the requested resource",
    reason: "MethodNotAllowed",
    details: {},
    code: 405,
  });
}

export function credentialsOf(exchange: Exchange): Credentials {
  return { clientCertificate: exchange.clientCertificate, bearerToken: bearerTokenOf(exchange), header: (name) => exchange.header(name) };
}

/** From the Authorization header, or from the WebSocket subprotocol that browsers use in its place. */
function bearerTokenOf(exchange: Exchange): string | undefined {
  const match = /^Bearer\s+(\S+)\s*$/i.exec(exchange.header("authorization") ?? "");
  if (match !== null) return match[1];
  const protocols = exchange.header("sec-websocket-protocol");
  const encoded = protocols === undefined ? null : /base64url\.bearer\.authorization\.k8s\.io\.([A-Za-z0-9_-]+)/.exec(protocols);
  return encoded === null ? undefined : Buffer.from(encoded[1] as string, "base64url").toString("utf8");
}

export function attributesOf(request: RequestInfo, user: UserInfo, exchange: Exchange): AuthorizerAttributes {
  return {
    user,
    verb: request.verb,
    isResourceRequest: request.isResourceRequest,
    apiGroup: request.apiGroup,
    apiVersion: request.apiVersion,
    resource: request.resource,
    subresource: request.subresource,
    namespace: request.namespace,
    name: request.name,
    path: request.path,
    fieldSelector: exchange.query.get("fieldSelector") ?? undefined,
    labelSelector: exchange.query.get("labelSelector") ?? undefined,
  };
}

function matchesPath(pattern: string, path: string): boolean {
  return pattern.endsWith("*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}

/** Source: k8s.io/apiserver pkg/endpoints/handlers/responsewriters/errors.go. */
export function forbidden(attributes: AuthorizerAttributes, reason: string): StatusError {
  const { user, verb, resource, subresource, apiGroup, namespace } = attributes;
  const quotedUser = JSON.stringify(user.username);
  const because = reason === "" ? "" : `: ${reason}`;
  if (!attributes.isResourceRequest)
    return newForbidden(
      { group: "", resource: "" },
      "",
      `User ${quotedUser} cannot ${verb} path ${JSON.stringify(attributes.path)}${because}`,
    );
  const target = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(namespace)}`;
  return newForbidden(
    { group: apiGroup, resource },
    attributes.name,
    `User ${quotedUser} cannot ${verb} resource ${JSON.stringify(target)} in API group ${JSON.stringify(apiGroup)} ${where}${because}`,
  );
}
