// Acting as someone else, where the client is allowed to. Source: k8s.io/apiserver pkg/endpoints/filters/impersonation.go.
import { newBadRequest } from "@lenj/apimachinery";
import type { AuthorizerAttributes, UserInfo } from "../auth/ports.js";
import type { Exchange } from "./exchange.js";

export interface Impersonation {
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
  /** What the client must be allowed. */
  questions(user: UserInfo): AuthorizerAttributes[];
}

const extraPrefix = "impersonate-extra-";

/** Undefined when the request does not ask for it. Throws StatusError BadRequest for headers that make no sense. */
export function impersonationOf(exchange: Exchange): Impersonation | undefined {
  const username = exchange.header("impersonate-user") ?? "";
  const uid = exchange.header("impersonate-uid") ?? "";
  const groups = valuesOf(exchange, "impersonate-group");
  const extra: Record<string, string[]> = {};
  for (const name of Object.keys(exchange.headers())) {
    if (name.startsWith(extraPrefix)) extra[unescapeKey(name.slice(extraPrefix.length))] = valuesOf(exchange, name);
  }
  if (username === "") {
    if (uid !== "" || groups.length > 0 || Object.keys(extra).length > 0) throw newBadRequest("requested [] without impersonating a user");
    return undefined;
  }
  return { username, uid, groups, extra, questions: (user) => questionsOf(user, { username, uid, groups, extra }) };
}

function questionsOf(user: UserInfo, wanted: Omit<Impersonation, "questions">): AuthorizerAttributes[] {
  const ask = (part: Partial<AuthorizerAttributes>): AuthorizerAttributes => ({
    user,
    verb: "impersonate",
    isResourceRequest: true,
    apiGroup: "",
    apiVersion: "v1",
    resource: "",
    subresource: "",
    namespace: "",
    name: "",
    path: "",
    ...part,
  });
  const account = serviceAccountOf(wanted.username);
  const questions = [
    account === undefined
      ? ask({ resource: "users", name: wanted.username })
      : ask({ resource: "serviceaccounts", namespace: account.namespace, name: account.name }),
  ];
  for (const group of wanted.groups) questions.push(ask({ resource: "groups", name: group }));
  for (const [key, values] of Object.entries(wanted.extra)) {
    for (const value of values)
      questions.push(ask({ apiGroup: "authentication.k8s.io", resource: "userextras", subresource: key, name: value }));
  }
  if (wanted.uid !== "") questions.push(ask({ apiGroup: "authentication.k8s.io", resource: "uids", name: wanted.uid }));
  return questions;
}

export function impersonatedUser(wanted: Impersonation): UserInfo {
  const groups = [...wanted.groups];
  const account = serviceAccountOf(wanted.username);
  if (account !== undefined && groups.length === 0) groups.push("system:serviceaccounts", `system:serviceaccounts:${account.namespace}`);
  const standing = wanted.username === "system:anonymous" ? "system:unauthenticated" : "system:authenticated";
  if (!groups.includes("system:authenticated") && !groups.includes("system:unauthenticated")) groups.push(standing);
  return { username: wanted.username, ...(wanted.uid !== "" && { uid: wanted.uid }), groups, extra: wanted.extra };
}

function serviceAccountOf(username: string): { namespace: string; name: string } | undefined {
  const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username);
  return match === null ? undefined : { namespace: match[1] as string, name: match[2] as string };
}

function valuesOf(exchange: Exchange, name: string): string[] {
  const value = exchange.headers()[name];
  if (value === undefined) return [];
  // Node joins repeated headers of this kind with a comma and a space.
  return (Array.isArray(value) ? value : value.split(", ")).filter((part) => part !== "");
}

function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
