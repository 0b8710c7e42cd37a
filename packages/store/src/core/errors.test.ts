import { relayedError, StoreError, type StoreErrorCode, toGrpcStatus, wireErrorCodes } from "./errors.js";

// Code and text as etcd's api/v3rpc/rpctypes/error.go has them: clients find the typed error by the text.
const upstream: Readonly<Record<number, readonly string[]>> = {
  1: ["etcdserver: watch canceled", "etcdserver: request canceled"],
  2: [
    "auth: authentication failed, password was given for no password user",
    "bcrypt: password length exceeds 72 bytes",
    "auth: token signing attempted with verify-only key",
    "election: no leader",
    "election: not leader",
    '"leader" field must be provided',
    "mutex: session is expired",
    "etcdserver: unknown method",
  ],
  3: [
    "etcdserver: key is not provided",
    "etcdserver: key not found",
    "etcdserver: value is provided",
    "etcdserver: lease is provided",
    "etcdserver: too many operations in txn request",
    "etcdserver: duplicate key given in txn request",
    "etcdserver: invalid client api version",
    "etcdserver: invalid sort option",
    "etcdserver: given member URLs are invalid",
    "etcdserver: request is too large",
    "etcdserver: user name is empty",
    "etcdserver: role name is empty",
    "etcdserver: authentication failed, invalid user ID or password",
    "etcdserver: permission not given",
    "etcdserver: invalid auth management",
    "etcdserver: revision of auth store is old",
    "etcdserver: wrong downgrade target version format",
    "etcdserver: invalid downgrade target version",
  ],
  4: ["etcdserver: context deadline exceeded"],
  5: ["etcdserver: requested lease not found", "etcdserver: member not found", "unknown service"],
  7: ["etcdserver: permission denied"],
  8: ["etcdserver: mvcc: database space exceeded", "etcdserver: too many requests"],
  9: [
    "etcdserver: lease already exists",
    "etcdserver: member ID already exist",
    "etcdserver: Peer URLs already exists",
    "etcdserver: re-configuration failed due to not enough started members",
    "etcdserver: can only promote a learner member",
    "etcdserver: can only promote a learner member which is in sync with leader",
    "etcdserver: too many learner members in cluster",
    "etcdserver: cluster ID mismatch",
    "etcdserver: root user does not exist",
    "etcdserver: root user does not have root role",
    "etcdserver: user name already exists",
    "etcdserver: user name not found",
    "etcdserver: role name already exists",
    "etcdserver: role name not found",
    "etcdserver: role is not granted to the user",
    "etcdserver: permission is not granted to the role",
    "etcdserver: authentication is not enabled",
    "etcdserver: not leader",
    "etcdserver: not capable",
    "etcdserver: rpc not supported for learner",
    "etcdserver: bad leader transferee",
    "etcdserver: cluster version not found during downgrade",
    "etcdserver: cluster has a downgrade job in progress",
    "etcdserver: no inflight downgrade job",
  ],
  11: [
    "etcdserver: mvcc: required revision has been compacted",
    "etcdserver: mvcc: required revision is a future revision",
    "etcdserver: too large lease TTL",
  ],
  14: [
    "etcdserver: no leader",
    "etcdserver: leader changed",
    "etcdserver: server stopped",
    "etcdserver: request timed out",
    "etcdserver: request timed out, possibly due to previous leader failure",
    "etcdserver: request timed out, possibly due to connection lost",
    "etcdserver: request timed out, waiting for the applied index took too long",
    "etcdserver: unhealthy cluster",
  ],
  15: ["etcdserver: corrupt cluster"],
  16: ["etcdserver: invalid auth token"],
};

describe("what clients are told", () => {
  it.each(Object.entries(upstream).flatMap(([code, texts]) => texts.map((text) => [Number(code), text] as const)))(
    "has code %d for %j",
    (code, text) => {
      const found = wireErrorCodes.filter((name) => toGrpcStatus(new StoreError(name)).details === text);
      expect(found).toHaveLength(1);
      expect(toGrpcStatus(new StoreError(found[0] as StoreErrorCode))).toEqual({ code, details: text });
      expect(new StoreError(found[0] as StoreErrorCode).message).toBe(text);
    },
  );

  it("has nothing that upstream has not", () => {
    const known = new Set(Object.values(upstream).flat());
    expect(wireErrorCodes.filter((name) => !known.has(toGrpcStatus(new StoreError(name)).details))).toEqual([]);
  });

  it("keeps the cause of an unexpected failure inside", () => {
    expect(toGrpcStatus(new TypeError("secret"))).toEqual({ code: 2, details: "etcdserver: internal error" });
  });

  it("lets only the text of a failure through a lock or an election", () => {
    const relayed = relayedError(new StoreError("LEASE_NOT_FOUND"));
    expect(toGrpcStatus(relayed)).toEqual({ code: 2, details: "etcdserver: requested lease not found" });
  });
});
