// Everything that can go wrong for a client, with etcd's own words: clients match on them.
// Source: etcd api/v3rpc/rpctypes/error.go and server/etcdserver/api/v3rpc/util.go.
import { isMvccError, type MvccErrorCode } from "@lenj/mvcc";

/** gRPC codes by name; numbers are the wire's. */
export const grpcStatus = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const wire = {
  EMPTY_KEY: [3, "key is not provided"],
  KEY_NOT_FOUND: [3, "key not found"],
  VALUE_PROVIDED: [3, "value is provided"],
  LEASE_PROVIDED: [3, "lease is provided"],
  TOO_MANY_OPS: [3, "too many operations in txn request"],
  DUPLICATE_KEY: [3, "duplicate key given in txn request"],
  INVALID_CLIENT_API_VERSION: [3, "invalid client api version"],
  INVALID_SORT_OPTION: [3, "invalid sort option"],
  MEMBER_BAD_URLS: [3, "given member URLs are invalid"],
  REQUEST_TOO_LARGE: [3, "request is too large"],
  USER_EMPTY: [3, "user name is empty"],
  ROLE_EMPTY: [3, "role name is empty"],
  AUTH_FAILED: [3, "authentication failed, invalid user ID or password"],
  PERMISSION_NOT_GIVEN: [3, "permission not given"],
  INVALID_AUTH_MGMT: [3, "invalid auth management"],
  AUTH_OLD_REVISION: [3, "revision of auth store is old"],
  WRONG_DOWNGRADE_VERSION_FORMAT: [3, "wrong downgrade target version format"],
  INVALID_DOWNGRADE_TARGET: [3, "invalid downgrade target version"],
  COMPACTED: [11, "mvcc: required revision has been compacted"],
  FUTURE_REVISION: [11, "mvcc: required revision is a future revision"],
  LEASE_TTL_TOO_LARGE: [11, "too large lease TTL"],
  NO_SPACE: [8, "mvcc: database space exceeded"],
  TOO_MANY_REQUESTS: [8, "too many requests"],
  LEASE_NOT_FOUND: [5, "requested lease not found"],
  MEMBER_NOT_FOUND: [5, "member not found"],
  LEASE_EXISTS: [9, "lease already exists"],
  MEMBER_EXISTS: [9, "member ID already exist"],
  PEER_URL_EXISTS: [9, "Peer URLs already exists"],
  NOT_ENOUGH_STARTED_MEMBERS: [9, "re-configuration failed due to not enough started members"],
  MEMBER_NOT_LEARNER: [9, "can only promote a learner member"],
  LEARNER_NOT_READY: [9, "can only promote a learner member which is in sync with leader"],
  TOO_MANY_LEARNERS: [9, "too many learner members in cluster"],
  CLUSTER_ID_MISMATCH: [9, "cluster ID mismatch"],
  ROOT_USER_NOT_EXIST: [9, "root user does not exist"],
  ROOT_ROLE_NOT_EXIST: [9, "root user does not have root role"],
  USER_EXISTS: [9, "user name already exists"],
  USER_NOT_FOUND: [9, "user name not found"],
  ROLE_EXISTS: [9, "role name already exists"],
  ROLE_NOT_FOUND: [9, "role name not found"],
  ROLE_NOT_GRANTED: [9, "role is not granted to the user"],
  PERMISSION_NOT_GRANTED: [9, "permission is not granted to the role"],
  AUTH_NOT_ENABLED: [9, "authentication is not enabled"],
  NOT_LEADER: [9, "not leader"],
  NOT_CAPABLE: [9, "not capable"],
  NOT_SUPPORTED_FOR_LEARNER: [9, "rpc not supported for learner"],
  BAD_LEADER_TRANSFEREE: [9, "bad leader transferee"],
  CLUSTER_VERSION_UNAVAILABLE: [9, "cluster version not found during downgrade"],
  DOWNGRADE_IN_PROCESS: [9, "cluster has a downgrade job in progress"],
  NO_INFLIGHT_DOWNGRADE: [9, "no inflight downgrade job"],
  WATCH_CANCELED: [1, "watch canceled"],
  CANCELED: [1, "request canceled"],
  PERMISSION_DENIED: [7, "permission denied"],
  INVALID_AUTH_TOKEN: [16, "invalid auth token"],
  NO_LEADER: [14, "no leader"],
  LEADER_CHANGED: [14, "leader changed"],
  STOPPED: [14, "server stopped"],
  TIMEOUT: [14, "request timed out"],
  TIMEOUT_LEADER_FAILURE: [14, "request timed out, possibly due to previous leader failure"],
  TIMEOUT_CONNECTION_LOST: [14, "request timed out, possibly due to connection lost"],
  TIMEOUT_WAIT_APPLIED: [14, "request timed out, waiting for the applied index took too long"],
  UNHEALTHY_CLUSTER: [14, "unhealthy cluster"],
  CORRUPT_CLUSTER: [15, "corrupt cluster"],
  DEADLINE_EXCEEDED: [4, "context deadline exceeded"],
} as const satisfies Record<string, readonly [number, string]>;

/** Texts that stand alone. Most are errors for which upstream has no status: they leave as UNKNOWN. */
const bareTexts = {
  NO_PASSWORD_USER: [2, "auth: authentication failed, password was given for no password user"],
  PASSWORD_TOO_LONG: [2, "bcrypt: password length exceeds 72 bytes"],
  TOKEN_VERIFY_ONLY: [2, "auth: token signing attempted with verify-only key"],
  ELECTION_NO_LEADER: [2, "election: no leader"],
  ELECTION_NOT_LEADER: [2, "election: not leader"],
  ELECTION_LEADER_MISSING: [2, '"leader" field must be provided'],
  LOCK_SESSION_EXPIRED: [2, "mutex: session is expired"],
  UNKNOWN_METHOD: [2, "etcdserver: unknown method"],
  HEALTH_SERVICE_UNKNOWN: [5, "unknown service"],
} as const satisfies Record<string, readonly [number, string]>;

export type StoreErrorCode = keyof typeof wire | keyof typeof bareTexts | "UNIMPLEMENTED" | "RELAYED" | "DATA_DAMAGED" | "CONFIG_INVALID";

/** Every code that a client can be told. */
export const wireErrorCodes: readonly StoreErrorCode[] = [...Object.keys(wire), ...Object.keys(bareTexts)] as StoreErrorCode[];

export class StoreError extends Error {
  override readonly name = "StoreError";

  constructor(
    readonly code: StoreErrorCode,
    message: string = defaultMessage(code),
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * One of a member's two databases cannot be relied on. A damaged state is replaced by the leader's. A damaged log may have lost what this
 * member promised (entries, its vote): the member cannot come back under its identity.
 */
export class DataDamaged extends StoreError {
  constructor(
    readonly part: "state" | "log",
    message: string,
    options?: ErrorOptions,
  ) {
    super("DATA_DAMAGED", message, options);
  }
}

export const isStoreError = (error: unknown, code?: StoreErrorCode): error is StoreError =>
  error instanceof StoreError && (code === undefined || error.code === code);

const fromMvcc: Readonly<Record<MvccErrorCode, StoreErrorCode>> = {
  COMPACTED: "COMPACTED",
  FUTURE_REVISION: "FUTURE_REVISION",
  LEASE_NOT_FOUND: "LEASE_NOT_FOUND",
  LEASE_EXISTS: "LEASE_EXISTS",
  LEASE_TTL_TOO_LARGE: "LEASE_TTL_TOO_LARGE",
  KEY_NOT_FOUND: "KEY_NOT_FOUND",
};

/** Expected failures of the key space in the store's terms; anything else (a bug) unchanged. */
export function storeErrorFrom(error: unknown): unknown {
  return isMvccError(error) ? new StoreError(fromMvcc[error.code]) : error;
}

/** What a client is told: code and exact text. The cause of an unexpected failure stays inside. */
export function toGrpcStatus(error: unknown): { readonly code: number; readonly details: string } {
  const translated = storeErrorFrom(error);
  if (!isStoreError(translated)) return { code: grpcStatus.UNKNOWN, details: "etcdserver: internal error" };
  if (translated.code === "UNIMPLEMENTED") return { code: grpcStatus.UNIMPLEMENTED, details: translated.message };
  if (translated.code === "RELAYED") return { code: grpcStatus.UNKNOWN, details: translated.message };
  if (translated.code === "DATA_DAMAGED") return { code: grpcStatus.DATA_LOSS, details: "etcdserver: corrupt cluster" };
  if (translated.code === "CONFIG_INVALID") return { code: grpcStatus.INTERNAL, details: "etcdserver: internal error" };
  if (isBare(translated.code)) return { code: bareTexts[translated.code][0], details: bareTexts[translated.code][1] };
  return { code: wire[translated.code][0], details: `etcdserver: ${wire[translated.code][1]}` };
}

/**
 * A failure as etcd's locks and elections tell it: they are clients of the store themselves, and of what they were told only the text comes
 * through, under the code Unknown.
 */
export function relayedError(cause: unknown): StoreError {
  return new StoreError("RELAYED", toGrpcStatus(cause).details, { cause });
}

/** The error whose text a member has sent; undefined for a text that is none of ours. */
export function storeErrorOfText(text: string): StoreError | undefined {
  const code = wireErrorCodes.find((known) => defaultMessage(known) === text);
  return code === undefined ? undefined : new StoreError(code);
}

/** As Go prints a status: some answers carry the error as text. */
export function goErrorText(error: unknown): string {
  const { code, details } = toGrpcStatus(error);
  return `rpc error: code = ${goCodeNames[code] ?? `Code(${code})`} desc = ${details}`;
}

const goCodeNames: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(grpcStatus).map(([name, code]) => [
    code,
    // Go has camel case, and one l in Canceled.
    name === "CANCELLED" ? "Canceled" : name.toLowerCase().replace(/(?:^|_)(.)/g, (_all, letter: string) => letter.toUpperCase()),
  ]),
);

const isBare = (code: StoreErrorCode): code is keyof typeof bareTexts => code in bareTexts;

function defaultMessage(code: StoreErrorCode): string {
  if (isBare(code)) return bareTexts[code][1];
  return code in wire ? `etcdserver: ${wire[code as keyof typeof wire][1]}` : code;
}
