import { formatTime } from "@lenj/apimachinery";
import { ManualClock } from "@lenj/base/testing";
import { certificateAuthenticator, firstOf, parseStaticTokens, privilegedGroupAuthorizer } from "./index.js";
import type { AuthenticationResult, Authenticator, Authorizer, AuthorizerAttributes, KubeObject, ReviewRequest } from "./ports.js";
import { reviewHandlers } from "./reviews.js";

const signal = new AbortController().signal;
const header = (): undefined => undefined;
const authenticated = (username: string): AuthenticationResult => ({ outcome: "authenticated", user: { username, groups: [] } });
const answering = (result: AuthenticationResult): Authenticator => ({ authenticate: () => result });

describe("certificateAuthenticator", () => {
  const certificate = (commonName: string, organizations: string[], verified = true): object => ({
    clientCertificate: { verified, commonName, organizations, raw: new Uint8Array() },
    header,
  });

  it.each([
    ["alice", ["dev"], ["dev", "system:authenticated"]],
    ["system:node:n1", ["system:nodes"], ["system:nodes", "system:authenticated"]],
    ["system:serviceaccount:ns:sa", [], ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"]],
  ])("takes %s of %j from the subject", (commonName, organizations, groups) => {
    const result = certificateAuthenticator.authenticate(certificate(commonName, organizations) as never, signal);
    expect(result).toEqual({ outcome: "authenticated", user: { username: commonName, groups } });
  });

  it("believes no certificate that the authority did not sign, and nothing without one", () => {
    expect(certificateAuthenticator.authenticate(certificate("root", ["system:masters"], false) as never, signal)).toEqual({
      outcome: "invalid",
      message: "x509: certificate signed by unknown authority",
    });
    expect(certificateAuthenticator.authenticate({ header }, signal)).toEqual({ outcome: "none" });
  });
});

describe("firstOf()", () => {
  const none: AuthenticationResult = { outcome: "none" };
  const invalid: AuthenticationResult = { outcome: "invalid", message: "bad" };

  it.each<[AuthenticationResult[], AuthenticationResult]>([
    [[none, authenticated("a"), authenticated("b")], authenticated("a")],
    [[invalid, authenticated("b")], authenticated("b")],
    [[none, invalid, none], invalid],
    [[none], none],
  ])("of %j takes %j", async (results, expected) => {
    expect(await firstOf(results.map(answering)).authenticate({ header }, signal)).toEqual(expected);
  });

  it("calls a token that nobody knows bad, so that its bearer is not taken for anonymous", async () => {
    const result = await firstOf([answering(none)]).authenticate({ bearerToken: "x", header }, signal);
    expect(result).toEqual({ outcome: "invalid", message: "invalid bearer token" });
  });
});

describe("parseStaticTokens()", () => {
  it("reads token, user, uid and groups", () => {
    const known = parseStaticTokens('# comment\nsecret,alice,1,"dev,ops"\nother,bob,2\n\n', "tokens.csv");
    const who = (bearerToken?: string): unknown => known.authenticate({ bearerToken, header }, signal);
    expect(who("secret")).toEqual({
      outcome: "authenticated",
      user: { username: "alice", uid: "1", groups: ["dev", "ops", "system:authenticated"] },
    });
    expect(who("other")).toEqual({ outcome: "authenticated", user: { username: "bob", uid: "2", groups: ["system:authenticated"] } });
    expect([who("unknown"), who()]).toEqual([{ outcome: "none" }, { outcome: "none" }]);
    expect(() => parseStaticTokens("only,two", "tokens.csv")).toThrow("Cannot read tokens.csv");
  });
});

describe("reviews", () => {
  const clock = new ManualClock();
  const alice = { username: "alice", uid: "1", groups: ["dev"], extra: { scope: ["a"] } };
  const seen: AuthorizerAttributes[] = [];
  const authorizer: Authorizer = {
    authorize: (attributes) => {
      seen.push(attributes);
      if (attributes.verb === "get") return { decision: "allow", reason: "because" };
      return attributes.verb === "delete" ? { decision: "deny", reason: "never" } : { decision: "noOpinion", reason: "" };
    },
    rulesFor: (_user, namespace) => ({ resourceRules: [{ verbs: [namespace] }], nonResourceRules: [], incomplete: false }),
  };
  const authenticator: Authenticator = {
    authenticate: ({ bearerToken }) =>
      bearerToken === "good" ? authenticated("bob") : { outcome: "invalid", message: "invalid bearer token" },
  };
  const handlers = reviewHandlers({
    authenticator,
    serviceAccounts: { check: () => Promise.resolve({ outcome: "none" }) },
    authorizer,
    audiences: ["api"],
    clock,
  });
  const review = async (key: string, spec: object, about: Partial<ReviewRequest> = {}): Promise<Record<string, unknown>> => {
    const object = { spec } as KubeObject;
    const answer = await handlers.get(key)?.({ user: alice, namespace: "", name: "", object, dryRun: false, signal, ...about });
    return (answer as unknown as { status: Record<string, unknown> }).status;
  };

  it.each([
    [
      { verb: "get", resource: "pods" },
      { allowed: true, reason: "because" },
    ],
    [{ verb: "list", resource: "pods" }, { allowed: false }],
    [
      { verb: "delete", resource: "pods" },
      { allowed: false, denied: true, reason: "never" },
    ],
  ])("of access answer %j with %j", async (resourceAttributes, status) => {
    expect(await review("authorization.k8s.io/selfsubjectaccessreviews", { resourceAttributes })).toEqual(status);
    expect(seen.at(-1)?.user).toBe(alice);
  });

  it("ask about the user that they name, with the selector that they name", async () => {
    const resourceAttributes = {
      verb: "list",
      resource: "pods",
      fieldSelector: { requirements: [{ key: "spec.nodeName", operator: "In", values: ["n1"] }] },
    };
    await review("authorization.k8s.io/subjectaccessreviews", { user: "bob", groups: ["ops"], uid: "2", resourceAttributes });
    expect(seen.at(-1)).toMatchObject({
      user: { username: "bob", groups: ["ops"], uid: "2" },
      isResourceRequest: true,
      fieldSelector: "spec.nodeName=n1",
    });
    await review("authorization.k8s.io/subjectaccessreviews", { user: "bob", nonResourceAttributes: { verb: "get", path: "/x" } });
    expect(seen.at(-1)).toMatchObject({ isResourceRequest: false, path: "/x", verb: "get" });
  });

  it("of local access stay in their namespace", async () => {
    const resourceAttributes = { verb: "get", resource: "pods", namespace: "other" };
    await expect(review("authorization.k8s.io/localsubjectaccessreviews", { resourceAttributes }, { namespace: "ns" })).rejects.toThrow(
      "spec.resourceAttributes.namespace must match namespace: ns",
    );
  });

  it("of rules list what the authorizer knows", async () => {
    expect(await review("authorization.k8s.io/selfsubjectrulesreviews", { namespace: "ns" })).toEqual({
      resourceRules: [{ verbs: ["ns"] }],
      nonResourceRules: [],
      incomplete: false,
    });
  });

  it("of tokens tell who bears them, or that nobody does", async () => {
    expect(await review("authentication.k8s.io/tokenreviews", { token: "good" })).toEqual({
      authenticated: true,
      user: { username: "bob", groups: [] },
      audiences: ["api"],
    });
    expect(await review("authentication.k8s.io/tokenreviews", { token: "bad" })).toEqual({ user: {}, error: "invalid bearer token" });
  });

  it("of oneself tell who one is", async () => {
    const answer = await handlers.get("authentication.k8s.io/selfsubjectreviews")?.({
      user: alice,
      namespace: "",
      name: "",
      object: {} as KubeObject,
      dryRun: false,
      signal,
    });
    expect(answer).toEqual({ metadata: { creationTimestamp: formatTime(clock.wallMs()) }, status: { userInfo: alice } });
  });
});

describe("privilegedGroupAuthorizer", () => {
  it("lets system:masters do everything and says nothing about others", () => {
    const ask = (groups: string[]): unknown =>
      privilegedGroupAuthorizer.authorize({ user: { username: "u", groups } } as unknown as AuthorizerAttributes, signal);
    expect([ask(["system:masters"]), ask(["dev"])]).toEqual([
      { decision: "allow", reason: "" },
      { decision: "noOpinion", reason: "" },
    ]);
  });
});
