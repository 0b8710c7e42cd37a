// The opaque token that leads to a list's next page. Source: k8s.io/apiserver pkg/storage/continue.go.

export interface ContinueToken {
  /** The revision that all pages show; -1: whatever is newest (the rest of a list whose revision was compacted). */
  readonly revision: number;
  /** First key of the next page, below the resource's prefix. */
  readonly startKey: string;
}

const tokenAPIVersion = "meta.k8s.io/v1";

/** `lastKey` is the last key of the page; the next one starts right after it. */
export function encodeContinueToken(revision: number, lastKey: string): string {
  return base64urlEncode(JSON.stringify({ v: tokenAPIVersion, rv: revision, start: `${lastKey}\u0000` }));
}

/** Throws Error with upstream's text for tokens that are not ours. */
export function decodeContinueToken(token: string): ContinueToken {
  let decoded: unknown;
  try {
    decoded = JSON.parse(base64urlDecode(token));
  } catch {
    throw new Error("continue key is not valid: invalid encoded continue key");
  }
  const { v, rv, start } = decoded as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== tokenAPIVersion)
    throw new Error(`continue key is not valid: server does not recognize this encoded version ${JSON.stringify(v)}`);
  if (typeof rv !== "number" || rv === 0)
    throw new Error("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  if (typeof start !== "string" || start === "")
    throw new Error("continue key is not valid: encoded start key empty (version meta.k8s.io/v1)");
  if (start.includes("..") || start.startsWith("/")) throw new Error(`continue key is not valid: ${start}`);
  return { revision: rv, startKey: start };
}

function base64urlEncode(text: string): string {
  return Buffer.from(text, "utf8").toString("base64url");
}

function base64urlDecode(text: string): string {
  if (!/^[A-Za-z0-9_=-]*$/.test(text)) throw new Error("not base64url");
  return Buffer.from(text, "base64url").toString("utf8");
}
