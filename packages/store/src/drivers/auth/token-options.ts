// --auth-token: which kind of token, and its parameters.
// Source: etcd server/auth/options.go.
import { parseDuration } from "@lenj/component-base";

export const jwtMethods = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "HS256",
  "HS384",
  "HS512",
  "EdDSA",
] as const;
export type JWTMethod = (typeof jwtMethods)[number];

export interface JWTOptions {
  readonly kind: "jwt";
  readonly method: JWTMethod;
  readonly publicKeyFile: string;
  readonly privateKeyFile: string;
  readonly ttlMs: number;
}

export type TokenOptions = { readonly kind: "simple" } | JWTOptions;

const defaultJWTTTLMs = 5 * 60_000;

/** The options, or what is wrong with the text. */
export function parseTokenOptions(text: string): TokenOptions | { readonly kind: "invalid"; readonly problem: string } {
  const [kind = "", ...pairs] = text.split(",");
  const invalid = (problem: string) => ({ kind: "invalid", problem }) as const;
  const given = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at);
    if (at <= 0 || pair.includes("=", at + 1)) return invalid(`must be name=value, got ${JSON.stringify(pair)}`);
    if (given.has(name)) return invalid(`${name} is given twice`);
    given.set(name, pair.slice(at + 1));
  }
  if (kind === "simple" || kind === "") return { kind: "simple" };
  if (kind !== "jwt") return invalid(`must begin with "simple" or "jwt", got ${JSON.stringify(kind)}`);
  const method = given.get("sign-method") ?? "";
  if (!isJWTMethod(method)) return invalid(`sign-method must be one of ${jwtMethods.join(", ")}, got ${JSON.stringify(method)}`);
  const ttlText = given.get("ttl");
  const ttlMs = ttlText === undefined ? defaultJWTTTLMs : parseTTL(ttlText);
  if (!(ttlMs > 0)) return invalid(`ttl must be a duration above 0, got ${JSON.stringify(ttlText)}`);
  const publicKeyFile = given.get("pub-key") ?? "";
  const privateKeyFile = given.get("priv-key") ?? "";
  if (publicKeyFile === "" && privateKeyFile === "") return invalid("pub-key or priv-key must be given");
  if (method.startsWith("HS") && privateKeyFile === "") return invalid(`${method} needs priv-key`);
  return { kind: "jwt", method, publicKeyFile, privateKeyFile, ttlMs };
}

const isJWTMethod = (text: string): text is JWTMethod => (jwtMethods as readonly string[]).includes(text);

function parseTTL(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    return Number.NaN; // The caller names the text.
  }
}
