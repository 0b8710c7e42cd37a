/**
 * Why a call failed, as a client decides by it:
 * - COMPACTED: the asked revision was compacted (watch errors carry `compactRevision`).
 * - FUTURE_REVISION: the asked revision does not exist yet.
 * - UNAVAILABLE: nobody answered, or the answering member has no leader. A write may or may not have happened.
 * - TIMEOUT: the deadline passed. A write may or may not have happened.
 * - CLOSED: this client, or the watch, was closed by its owner.
 * - CANCELED: the server cancelled a watch for another reason (`message` says which).
 * - LEASE_NOT_FOUND, NO_SPACE, TOO_MANY_REQUESTS, PERMISSION_DENIED, UNAUTHENTICATED, INVALID_ARGUMENT, NOT_FOUND,
 *   FAILED_PRECONDITION, UNIMPLEMENTED: as etcd answered.
 * - UNKNOWN: anything else.
 */
export type EtcdErrorCode =
  | "COMPACTED"
  | "FUTURE_REVISION"
  | "UNAVAILABLE"
  | "TIMEOUT"
  | "CLOSED"
  | "CANCELED"
  | "LEASE_NOT_FOUND"
  | "NO_SPACE"
  | "TOO_MANY_REQUESTS"
  | "PERMISSION_DENIED"
  | "UNAUTHENTICATED"
  | "INVALID_ARGUMENT"
  | "NOT_FOUND"
  | "FAILED_PRECONDITION"
  | "UNIMPLEMENTED"
  | "UNKNOWN";

export interface EtcdErrorFacts {
  /** The gRPC status code, or undefined when the failure did not come from a call. */
  readonly grpcStatus?: number | undefined;
  /** COMPACTED of a watch: the oldest revision that can still be watched. */
  readonly compactRevision?: number | undefined;
  /** True when the request surely never reached a server, so that repeating a write is safe. */
  readonly surelyNotSent?: boolean | undefined;
  readonly cause?: unknown;
}

export class EtcdError extends Error {
  override readonly name = "EtcdError";
  readonly grpcStatus: number | undefined;
  readonly compactRevision: number | undefined;
  readonly surelyNotSent: boolean;

  constructor(
    readonly code: EtcdErrorCode,
    message: string,
    facts: EtcdErrorFacts = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.grpcStatus = facts.grpcStatus;
    this.compactRevision = facts.compactRevision;
    this.surelyNotSent = facts.surelyNotSent ?? false;
  }
}

/** Tests for an {@link EtcdError}, optionally of one code. */
export const isEtcdError = (error: unknown, code?: EtcdErrorCode): error is EtcdError =>
  error instanceof EtcdError && (code === undefined || error.code === code);

/** Messages by which etcd's clients tell errors apart that share a gRPC code. */
const byMessage: ReadonlyMap<string, EtcdErrorCode> = new Map([
  ["etcdserver: mvcc: required revision has been compacted", "COMPACTED"],
  ["etcdserver: mvcc: required revision is a future revision", "FUTURE_REVISION"],
  ["etcdserver: requested lease not found", "LEASE_NOT_FOUND"],
  ["etcdserver: mvcc: database space exceeded", "NO_SPACE"],
  ["etcdserver: too many requests", "TOO_MANY_REQUESTS"],
]);

const byStatus: Readonly<Record<number, EtcdErrorCode>> = {
  1: "CLOSED",
  3: "INVALID_ARGUMENT",
  4: "TIMEOUT",
  5: "NOT_FOUND",
  7: "PERMISSION_DENIED",
  9: "FAILED_PRECONDITION",
  12: "UNIMPLEMENTED",
  14: "UNAVAILABLE",
  16: "UNAUTHENTICATED",
};

/** Translates a gRPC failure. `details` is the bare status message of the server. */
export function etcdErrorFromStatus(grpcStatus: number, details: string, cause?: unknown): EtcdError {
  const code = byMessage.get(details) ?? byStatus[grpcStatus] ?? "UNKNOWN";
  return new EtcdError(code, details, { grpcStatus, cause });
}
