import type { etcdserverpb } from "@lenj/proto/etcd";

export type Request =
  | { readonly kind: "range"; readonly value: etcdserverpb.RangeRequest }
  | { readonly kind: "put"; readonly value: etcdserverpb.PutRequest }
  | { readonly kind: "deleteRange"; readonly value: etcdserverpb.DeleteRangeRequest }
  | { readonly kind: "txn"; readonly value: etcdserverpb.TxnRequest }
  | { readonly kind: "compact"; readonly value: etcdserverpb.CompactionRequest }
  | { readonly kind: "leaseGrant"; readonly value: etcdserverpb.LeaseGrantRequest }
  | { readonly kind: "leaseRevoke"; readonly value: etcdserverpb.LeaseRevokeRequest };

/** One call of a client and what came of it. */
export interface ClientOperation {
  readonly id: number;
  readonly client: number;
  readonly request: Request;
  readonly calledMs: number;
  /** Newest revision, and compaction, that any client had been told of when the call was made. */
  readonly floor: { readonly revision: number; readonly compactRevision: number };
  /** Newest revision that this member's process had told when the call was made. */
  readonly sessionRevision: number;
  /** Undefined: no answer, so the outcome is unknown. */
  answer?: Answer | undefined;
  returnedMs?: number;
}

/** `text` as the reference store would put it. */
export type Answer = { readonly error: string } | { readonly revision: number; readonly text: string };

/** After these nothing was done, nor will be. */
export const definiteErrors: ReadonlySet<string> = new Set([
  "NOT_SENT",
  "NO_LEADER",
  "TOO_MANY_REQUESTS",
  "NOT_SUPPORTED_FOR_LEARNER",
  "REQUEST_TOO_LARGE",
]);

/** What applying a command may say. */
export const applyErrors: ReadonlySet<string> = new Set([
  "COMPACTED",
  "FUTURE_REVISION",
  "LEASE_NOT_FOUND",
  "LEASE_EXISTS",
  "KEY_NOT_FOUND",
  "CORRUPT_CLUSTER",
]);
