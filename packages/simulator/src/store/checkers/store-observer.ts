// Ties together what happens in the cluster and what clients see.
//
// O1. Nothing here throws into the store: what is wrong is kept, and the run ends after the event that showed it.
import { InvariantError } from "@lenj/base";
import { isRaftError, type Message, type Ready } from "@lenj/raft";
import { type Command, decodeCommandHeader, isStoreError } from "@lenj/store/core";
import { RaftInvariants } from "../../checkers/raft-invariants.js";
import { Violation } from "../../world/violation.js";
import type { StoreMember } from "../store-member.js";
import type { ClientOperation } from "./client-operation.js";
import type { LeaseRules } from "./lease-rules.js";

export class StoreObserver {
  readonly invariants = new RaftInvariants<StoreMember>();
  readonly #byRequest = new WeakMap<object, ClientOperation>();
  readonly #byEntry = new Map<string, ClientOperation>();
  readonly #grants = new Map<bigint, object>();
  #proposing: ClientOperation | undefined;
  violation: Violation | undefined;
  leases: LeaseRules | undefined;

  report(error: unknown): void {
    if (this.violation !== undefined) return;
    if (error instanceof Violation) this.violation = error;
    else if (error instanceof InvariantError || isRaftError(error)) this.violation = new Violation("Invariant", error.message);
    // It came up through an event: in a real process, nothing would have caught it.
    else if (isStoreError(error)) this.violation = new Violation("Uncaught", error.message);
    else throw error;
  }

  /** The operation that an entry of the log stands for, when a client asked for it. */
  operationOf(data: Uint8Array): ClientOperation | undefined {
    return this.#byEntry.get(entryName(data));
  }

  /** From now on a proposal that carries `request` is known to be this operation's. */
  expect(request: object, operation: ClientOperation): void {
    this.#byRequest.set(request, operation);
  }

  /** As expect(), for a grant, whose request the store makes anew. */
  expectLease(id: bigint, request: object): void {
    this.#grants.set(id, request);
  }

  whileProposing<T>(member: StoreMember, command: Command, propose: () => T): T {
    const { put, deleteRange, txn, compaction, leaseRevoke, leaseGrant } = command;
    const request = put ?? deleteRange ?? txn ?? compaction ?? leaseRevoke ?? this.#grants.get(leaseGrant?.ID ?? 0n);
    this.#proposing = request === undefined ? undefined : this.#byRequest.get(request);
    if (leaseRevoke !== undefined && this.#proposing === undefined)
      this.check(() => this.leases?.onExpiry(member, (leaseRevoke as { readonly ID: bigint }).ID));
    try {
      return propose();
    } finally {
      this.#proposing = undefined;
    }
  }

  onProposed(data: Uint8Array): void {
    if (this.#proposing !== undefined) this.#byEntry.set(entryName(data), this.#proposing);
  }

  onRestart(member: StoreMember): void {
    this.check(() => this.invariants.onRestart(member));
  }

  onReady(member: StoreMember, ready: Ready): void {
    this.check(() => {
      this.invariants.onReady(member, ready);
      for (const entry of ready.committedEntries) this.invariants.onApplied(member, entry);
    });
  }

  onMessageSent(member: StoreMember, message: Message): void {
    this.check(() => this.invariants.onMessageSent(member, message));
  }

  checkAll(members: readonly StoreMember[]): void {
    this.check(() => this.invariants.checkAll(members));
  }

  /** Runs a check that throws Violation. */
  check(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.report(error);
    }
  }
}

function entryName(data: Uint8Array): string {
  const { memberID, requestNumber } = decodeCommandHeader(data);
  return `${memberID} ${requestNumber}`;
}
