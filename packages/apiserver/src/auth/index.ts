// Authentication and authorization of the server, as one module.
import { readFileSync } from "node:fs";
import type { Clock, Logger, Random } from "@lenj/base";
import type { APIServerOptions } from "../options.js";
import { namespacesHook, priorityClassesHook, rolesHook } from "./bootstrap.js";
import { NodeAuthorizer } from "./node-authorizer.js";
import type {
  AuthenticationResult,
  Authenticator,
  AuthModule,
  Authorizer,
  ObjectReader,
  SubjectRules,
  UserInfo,
  WellKnownDocument,
} from "./ports.js";
import { RBACAuthorizer } from "./rbac-authorizer.js";
import { reviewHandlers } from "./reviews.js";
import { ServiceAccountAuthenticator } from "./service-account-tokens.js";
import { formatJWKS, readTokenKeys, type TokenSettings } from "./token-keys.js";
import { tokenRequestHandler } from "./token-requests.js";

/** Names the user by the verified client certificate: CN is the user, O the groups. Source: x509 request authenticator. */
export const certificateAuthenticator: Authenticator = {
  authenticate({ clientCertificate }) {
    if (clientCertificate === undefined) return { outcome: "none" };
    if (!clientCertificate.verified) return { outcome: "invalid", message: "x509: certificate signed by unknown authority" };
    return {
      outcome: "authenticated",
      user: {
        username: clientCertificate.commonName,
        groups: [...withAccountGroups(clientCertificate.commonName, clientCertificate.organizations), "system:authenticated"],
      },
    };
  },
};

/** A certificate may speak for a service account; its namespace's group follows from the name. */
function withAccountGroups(username: string, organizations: readonly string[]): readonly string[] {
  const match = /^system:serviceaccount:([^:]+):[^:]+$/.exec(username);
  return match === null ? organizations : [...new Set([...organizations, "system:serviceaccounts", `system:serviceaccounts:${match[1]}`])];
}

/** Group system:masters may do everything. Source: PrivilegedGroups authorizer. */
export const privilegedGroupAuthorizer: Authorizer = {
  authorize({ user }) {
    return user.groups.includes("system:masters") ? { decision: "allow", reason: "" } : { decision: "noOpinion", reason: "" };
  },
};

export interface AuthDependencies {
  readonly options: APIServerOptions;
  readonly reader: ObjectReader;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Builds authentication and authorization from the flags. Reads key and token files; throws Error naming the file that is wrong. */
export async function createAuth({ options, reader, clock }: AuthDependencies): Promise<AuthModule> {
  const [issuer = "https://kubernetes.default.svc", ...formerIssuers] = options.serviceAccountIssuer;
  const audiences = options.apiAudiences.length > 0 ? options.apiAudiences : [issuer];
  const keys = readTokenKeys(
    readPEM(options.serviceAccountSigningKeyFile),
    options.serviceAccountKeyFile.flatMap((file) => readPEM(file) ?? []),
  );
  const settings: TokenSettings = { issuers: [issuer, ...formerIssuers], audiences };
  const serviceAccounts = new ServiceAccountAuthenticator(keys, settings, reader, clock);
  const staticTokens = parseStaticTokens(readPEM(options.tokenAuthFile) ?? "", options.tokenAuthFile);
  const authenticator = firstOf([certificateAuthenticator, staticTokens, serviceAccounts]);
  const { authorizer, close } = createAuthorizer(options.authorizationMode, reader);
  const reviews = reviewHandlers({ authenticator, serviceAccounts, authorizer, audiences, clock });
  reviews.set("/serviceaccounts/token", tokenRequestHandler(keys, settings, reader, clock));
  return {
    authenticator,
    authorizer,
    reviews,
    documents: tokenDocuments(issuer, formatJWKS(keys)),
    hooks: [namespacesHook, priorityClassesHook, ...(options.authorizationMode.includes("RBAC") ? [rolesHook] : [])],
    close: () => {
      close();
      return Promise.resolve();
    },
  };
}

function readPEM(file: string): string | undefined {
  if (file === "") return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Error(`Cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** The first authenticator that knows the credentials decides; a complaint counts only if nobody does. */
export function firstOf(authenticators: readonly Authenticator[]): Authenticator {
  return {
    authenticate: async (credentials, signal) => {
      let complaint: AuthenticationResult = { outcome: "none" };
      for (const authenticator of authenticators) {
        const result = await authenticator.authenticate(credentials, signal);
        if (result.outcome === "authenticated") return result;
        if (result.outcome === "invalid") complaint = result;
      }
      // A bearer token that nobody knows is bad, not absent.
      if (complaint.outcome === "none" && credentials.bearerToken !== undefined)
        return { outcome: "invalid", message: "invalid bearer token" };
      return complaint;
    },
  };
}

/** Lines of token,user,uid,"group1,group2"; `file` is for the error that names a line that is none. */
export function parseStaticTokens(text: string, file: string): Authenticator {
  const users = new Map<string, UserInfo>();
  for (const line of text.split("\n").filter((text) => text.trim() !== "" && !text.startsWith("#"))) {
    const match = /^([^,]+),([^,]+),([^,]+)(?:,"?([^"]*)"?)?$/.exec(line.trim());
    if (match === null) throw new Error(`Cannot read ${file}: each line must be token,user name,user uid[,"groups"]`);
    const groups = (match[4] ?? "").split(",").filter((group) => group !== "");
    users.set(match[1] as string, { username: match[2] as string, uid: match[3] as string, groups: [...groups, "system:authenticated"] });
  }
  return {
    authenticate: ({ bearerToken }) => {
      const user = bearerToken === undefined ? undefined : users.get(bearerToken);
      return user === undefined ? { outcome: "none" } : { outcome: "authenticated", user };
    },
  };
}

function createAuthorizer(modes: readonly string[], reader: ObjectReader): { authorizer: Authorizer; close: () => void } {
  const closers: (() => void)[] = [];
  const chain: Authorizer[] = [privilegedGroupAuthorizer];
  for (const mode of modes) {
    if (mode === "AlwaysAllow") chain.push({ authorize: () => ({ decision: "allow", reason: "" }) });
    else if (mode === "AlwaysDeny") chain.push({ authorize: () => ({ decision: "deny", reason: "Everything is forbidden." }) });
    else if (mode === "Node" || mode === "RBAC") {
      const authorizer = mode === "Node" ? new NodeAuthorizer(reader) : new RBACAuthorizer(reader);
      chain.push(authorizer);
      closers.push(() => authorizer.close());
    } else throw new Error(`Unknown --authorization-mode ${JSON.stringify(mode)}: must be AlwaysAllow, AlwaysDeny, Node or RBAC`);
  }
  return {
    authorizer: {
      authorize: async (attributes, signal) => {
        const reasons: string[] = [];
        for (const authorizer of chain) {
          const result = await authorizer.authorize(attributes, signal);
          if (result.decision !== "noOpinion") return result;
          if (result.reason !== "") reasons.push(result.reason);
        }
        return { decision: "noOpinion", reason: reasons.join(", ") };
      },
      rulesFor: (user, namespace) => {
        if (user.groups.includes("system:masters")) {
          return {
            resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
            nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
            incomplete: false,
          };
        }
        return joinRules(chain.flatMap((authorizer) => authorizer.rulesFor?.(user, namespace) ?? []));
      },
    },
    close: () => {
      for (const close of closers) close();
    },
  };
}

/** What any of the authorizers knows. Without one that knows rules the list is not complete. */
function joinRules(parts: readonly SubjectRules[]): SubjectRules {
  const problems = parts.flatMap(({ evaluationError }) => evaluationError ?? []);
  return {
    resourceRules: parts.flatMap(({ resourceRules }) => resourceRules),
    nonResourceRules: parts.flatMap(({ nonResourceRules }) => nonResourceRules),
    incomplete: parts.length === 0 || parts.some(({ incomplete }) => incomplete),
    ...(problems.length === 0 ? {} : { evaluationError: problems.join(", ") }),
  };
}

function tokenDocuments(issuer: string, jwks: string): WellKnownDocument[] {
  const discovery = JSON.stringify({
    issuer,
    jwks_uri: `${issuer}/openid/v1/jwks`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256", "ES256"],
  });
  return [
    { path: "/.well-known/openid-configuration", contentType: "application/json", body: () => discovery },
    { path: "/openid/v1/jwks", contentType: "application/jwk-set+json", body: () => jwks },
  ];
}
