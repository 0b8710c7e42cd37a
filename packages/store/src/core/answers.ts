import type { EncodedKeyValue } from "@lenj/mvcc";

// Results of requests before they are framed for the wire. Key-value pairs stay encoded; see the front's response codec.

export interface RangeAnswer {
  readonly kind: "range";
  readonly revision: number;
  readonly values: readonly EncodedKeyValue[];
  readonly more: boolean;
  readonly count: number;
}

export interface PutAnswer {
  readonly kind: "put";
  readonly revision: number;
  readonly previous: EncodedKeyValue | undefined;
}

export interface DeleteRangeAnswer {
  readonly kind: "deleteRange";
  readonly revision: number;
  readonly deleted: number;
  readonly previous: readonly EncodedKeyValue[];
}

export interface TxnAnswer {
  readonly kind: "txn";
  readonly revision: number;
  readonly succeeded: boolean;
  readonly responses: readonly OpAnswer[];
}

export type OpAnswer = RangeAnswer | PutAnswer | DeleteRangeAnswer | TxnAnswer;

export interface LeaseGrantAnswer {
  readonly kind: "leaseGrant";
  readonly revision: number;
  readonly id: bigint;
  readonly ttlSeconds: number;
}

/** Anything whose response is a header and nothing else. */
export interface DoneAnswer {
  readonly kind: "done";
  readonly revision: number;
}

export interface AlarmAnswer {
  readonly kind: "alarm";
  readonly revision: number;
  readonly alarms: readonly { readonly memberID: bigint; readonly alarm: number }[];
}

export interface AuthenticateAnswer {
  readonly kind: "authenticate";
  readonly revision: number;
  readonly username: string;
  /** Of the auth state when the token was made. */
  readonly authRevision: number;
  /** The simple token. */
  readonly token: string;
}

export type Answer = OpAnswer | LeaseGrantAnswer | DoneAnswer | AlarmAnswer | AuthenticateAnswer;
