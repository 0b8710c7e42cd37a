// Questions about identity and rights, answered and not stored: the reviews of authentication.k8s.io and authorization.k8s.io.
import { escapeFieldValue, formatTime, newBadRequest } from "@lenj/apimachinery";
import type { Clock } from "@lenj/base";
import type { authenticationv1, authorizationv1 } from "@lenj/proto/k8s";
import type { Authenticator, Authorizer, AuthorizerAttributes, KubeObject, ReviewHandler, ReviewRequest, UserInfo } from "./ports.js";
import type { ServiceAccountAuthenticator } from "./service-account-tokens.js";

export interface ReviewParts {
  readonly authenticator: Authenticator;
  readonly serviceAccounts: Pick<ServiceAccountAuthenticator, "check">;
  readonly authorizer: Authorizer;
  readonly audiences: readonly string[];
  readonly clock: Clock;
}

export function reviewHandlers(parts: ReviewParts): Map<string, ReviewHandler> {
  return new Map<string, ReviewHandler>([
    ["authentication.k8s.io/tokenreviews", (request) => reviewToken(parts, request)],
    [
      "authentication.k8s.io/selfsubjectreviews",
      ({ object, user }) =>
        ({
          ...object,
          metadata: { creationTimestamp: formatTime(parts.clock.wallMs()) },
          status: { userInfo: wireUser(user) },
        }) as KubeObject,
    ],
    ["authorization.k8s.io/subjectaccessreviews", (request) => reviewAccess(parts, request, otherUser(request.object))],
    ["authorization.k8s.io/localsubjectaccessreviews", (request) => reviewLocalAccess(parts, request)],
    ["authorization.k8s.io/selfsubjectaccessreviews", (request) => reviewAccess(parts, request, request.user)],
    ["authorization.k8s.io/selfsubjectrulesreviews", (request) => reviewRules(parts, request)],
  ]);
}

async function reviewToken(
  { authenticator, serviceAccounts, audiences }: ReviewParts,
  { object, signal }: ReviewRequest,
): Promise<KubeObject> {
  const { spec } = object as KubeObject & authenticationv1.TokenReview;
  const bearerToken = spec?.token ?? "";
  const wanted = (spec?.audiences ?? []).length > 0 ? (spec?.audiences ?? []) : audiences;
  const account = await serviceAccounts.check(bearerToken, wanted, signal);
  const result = account.outcome === "none" ? await authenticator.authenticate({ bearerToken, header: () => undefined }, signal) : account;
  const status =
    result.outcome === "authenticated"
      ? { authenticated: true, user: wireUser(result.user), audiences: [...(result.audiences ?? wanted)] }
      : { user: {}, ...(result.outcome === "invalid" ? { error: result.message } : {}) };
  return { ...object, status } as KubeObject;
}

async function reviewAccess({ authorizer }: ReviewParts, request: ReviewRequest, user: UserInfo): Promise<KubeObject> {
  const { spec } = request.object as KubeObject & authorizationv1.SelfSubjectAccessReview;
  const { decision, reason } = await authorizer.authorize(attributesOf(spec ?? {}, user), request.signal);
  const status = { allowed: decision === "allow", ...(decision === "deny" ? { denied: true } : {}), ...(reason === "" ? {} : { reason }) };
  return { ...request.object, status } as KubeObject;
}

/** The right to post one in a namespace is no right to ask about another. */
function reviewLocalAccess(parts: ReviewParts, request: ReviewRequest): Promise<KubeObject> {
  const { spec } = request.object as KubeObject & authorizationv1.LocalSubjectAccessReview;
  const asked = spec?.resourceAttributes?.namespace ?? "";
  if (asked !== request.namespace) throw newBadRequest(`spec.resourceAttributes.namespace must match namespace: ${request.namespace}`);
  return reviewAccess(parts, request, otherUser(request.object));
}

function reviewRules({ authorizer }: ReviewParts, { object, user }: ReviewRequest): KubeObject {
  const { spec } = object as KubeObject & authorizationv1.SelfSubjectRulesReview;
  const rules = authorizer.rulesFor?.(user, spec?.namespace ?? "") ?? { resourceRules: [], nonResourceRules: [], incomplete: true };
  return { ...object, status: rules } as unknown as KubeObject;
}

function attributesOf(spec: authorizationv1.SelfSubjectAccessReviewSpec, user: UserInfo): AuthorizerAttributes {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  return {
    user,
    verb: resource?.verb ?? path?.verb ?? "",
    isResourceRequest: resource !== undefined,
    apiGroup: resource?.group ?? "",
    apiVersion: resource?.version ?? "",
    resource: resource?.resource ?? "",
    subresource: resource?.subresource ?? "",
    namespace: resource?.namespace ?? "",
    name: resource?.name ?? "",
    path: path?.path ?? "",
    fieldSelector: selectorText(resource?.fieldSelector),
  };
}

/** Only what a selector in text form can say; the rest narrows nothing. */
function selectorText(selector: authorizationv1.FieldSelectorAttributes | undefined): string | undefined {
  if (selector === undefined) return undefined;
  if (selector.rawSelector) return selector.rawSelector;
  const terms = (selector.requirements ?? []).flatMap(({ key, operator, values }) => {
    const [value, another] = values ?? [];
    if (value === undefined || another !== undefined) return [];
    return operator === "In" ? [`${key}=${escapeFieldValue(value)}`] : operator === "NotIn" ? [`${key}!=${escapeFieldValue(value)}`] : [];
  });
  return terms.join(",");
}

function otherUser(object: KubeObject): UserInfo {
  const { spec } = object as KubeObject & authorizationv1.SubjectAccessReview;
  return {
    username: spec?.user ?? "",
    groups: spec?.groups ?? [],
    ...(spec?.uid === undefined ? {} : { uid: spec.uid }),
    ...(spec?.extra === undefined ? {} : { extra: spec.extra as Readonly<Record<string, readonly string[]>> }),
  };
}

function wireUser(user: UserInfo): authenticationv1.UserInfo {
  return {
    username: user.username,
    groups: [...user.groups],
    ...(user.uid === undefined || user.uid === "" ? {} : { uid: user.uid }),
    ...(user.extra === undefined || Object.keys(user.extra).length === 0 ? {} : { extra: user.extra as never }),
  };
}
