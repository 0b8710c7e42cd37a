import { readFileSync } from "node:fs";
import type { Clock } from "@lenj/base";
import type { ClientConfig } from "./client-config.js";

const REREAD_AFTER_MS = 60_000;

/** The bearer token of the next request, or undefined when none is configured. */
export type TokenSource = () => string | undefined;

/**
 * A file's token is kept for a minute, then read again; while the file cannot be read the last token stays in use
 * (client-go transport/token_source.go). The read is synchronous: a few bytes, once a minute.
 */
export function createTokenSource(config: Pick<ClientConfig, "token" | "tokenFile">, clock: Clock): TokenSource {
  const { tokenFile } = config;
  if (tokenFile === undefined) return () => config.token;
  let token = config.token;
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.monotonicMs() - readAtMs >= REREAD_AFTER_MS) {
      try {
        token = readFileSync(tokenFile, "utf8").trim();
        readAtMs = clock.monotonicMs();
      } catch (error) {
        if (token === undefined) throw error;
      }
    }
    return token;
  };
}
