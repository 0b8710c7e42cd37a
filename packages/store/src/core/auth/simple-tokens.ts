// Simple tokens: opaque words that a member remembers while they are used.
//
// T1. A token is known on every member that has applied the Authenticate entry that made it; its time runs on each member's own clock
//     and starts anew with each use there.
// T2. Deleting a user, changing its password and disabling authentication end its tokens.
// Source: etcd server/auth/simple_token.go.

/** Tokens remembered at most; past it the one unused for longest goes, and its owner authenticates again. */
const tokensMax = 100_000;

const defaultTTLMs = 300_000;

interface TokenRecord {
  readonly username: string;
  readonly endMs: number;
}

export class SimpleTokens {
  /** Least recently used first, which is also the order in which they end. */
  readonly #tokens = new Map<string, TokenRecord>();

  /** Life of an unused token. */
  ttlMs = defaultTTLMs;

  get size(): number {
    return this.#tokens.size;
  }

  assign(token: string, username: string, nowMs: number): void {
    for (const [old, { endMs }] of this.#tokens) {
      if (endMs > nowMs && this.#tokens.size < tokensMax) break;
      this.#tokens.delete(old);
    }
    this.#tokens.set(token, { username, endMs: nowMs + this.ttlMs });
  }

  /** Whose token it is, extending its time; undefined when unknown or over. */
  use(token: string, nowMs: number): string | undefined {
    const record = this.#tokens.get(token);
    if (record === undefined) return undefined;
    this.#tokens.delete(token);
    if (record.endMs <= nowMs) return undefined;
    this.#tokens.set(token, { username: record.username, endMs: nowMs + this.ttlMs });
    return record.username;
  }

  endUser(username: string): void {
    for (const [token, record] of this.#tokens) if (record.username === username) this.#tokens.delete(token);
  }

  endAll(): void {
    this.#tokens.clear();
  }
}

/** The entry that made a token is part of it, so that a member that has not applied it yet knows to wait. */
export function formatSimpleToken(random: string, index: number): string {
  return `${random}.${index}`;
}

/** The entry that made the token; undefined when it has not the form of one. */
export function simpleTokenIndex(token: string): number | undefined {
  const match = /^[A-Za-z]+\.(\d{1,15})$/.exec(token);
  return match === null ? undefined : Number(match[1]);
}
