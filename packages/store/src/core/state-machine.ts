// The replicated state: what each committed command does to it.
//
// Owns:  key space, leases, members, alarms, users and roles; and, for this member alone, the simple tokens in use.
// Not:   the order of commands (raft), telling clients and watchers (replica), durability (backend).
// A1. Nothing here looks at a clock, randomness, local limits or this member's identity to decide what becomes of a command: equal
//     logs make equal states. (`nowMs` only places lease expiries on the local clock.)
// A2. A command that fails changed nothing.
// Source: etcd server/etcdserver/apply.
import { type Backend, type KeyEvent, KeySpace, LeaseTable, type Table, WriteTransaction } from "@lenj/mvcc";
import { etcdserverpb } from "@lenj/proto/etcd";
import { Alarms } from "./alarms.js";
import type { AlarmAnswer, Answer, DoneAnswer } from "./answers.js";
import { type Authenticated, applyAuthCommand } from "./auth/apply-auth.js";
import { AuthState } from "./auth/auth-state.js";
import { authorizeCommand } from "./auth/authorize.js";
import { SimpleTokens } from "./auth/simple-tokens.js";
import { ClusterVersion } from "./cluster-version.js";
import type { Command } from "./command.js";
import { CountingHistogram, doubling } from "./counting-histogram.js";
import { StoreError } from "./errors.js";
import { Membership } from "./membership.js";
import { isReadOnlyTxn } from "./request-checks.js";
import { checkPutApplies, checkTxnPlan, executeDeleteRange, executePut, executeTxn, planTxn } from "./txn-execute.js";

const { AlarmRequest_AlarmAction: AlarmAction, AlarmType } = etcdserverpb;

export interface StateMachineOptions {
  readonly backend: Backend;
  readonly cacheBytesMax?: number;
}

export interface ApplyContext {
  /** Of the entry in the log. */
  readonly index: number;
  /** Local monotonic time, for lease expiries. */
  readonly nowMs: number;
  /** Collects the changes, in order, for watchers. */
  readonly events: KeyEvent[];
}

export class StateMachine {
  readonly space: KeySpace;
  readonly leases: LeaseTable;
  readonly members: Membership;
  readonly alarms: Alarms;
  readonly auth: AuthState;
  readonly version: ClusterVersion;
  /** Not replicated: what other members' clients got is known here too, but the time left is this member's own. */
  readonly tokens = new SimpleTokens();
  /** What this member has applied since its start. */
  readonly counts = { puts: 0, putBytes: 0, deletes: 0, txns: 0, leasesGranted: 0, leasesRevoked: 0 };
  /** Of leases granted, in seconds. Upstream's buckets. */
  readonly leaseTTLs = new CountingHistogram(doubling(1, 24));

  constructor(options: StateMachineOptions) {
    const { backend } = options;
    this.leases = new LeaseTable(backend);
    this.space = new KeySpace({
      backend,
      leases: this.leases,
      ...(options.cacheBytesMax === undefined ? {} : { cacheBytesMax: options.cacheBytesMax }),
    });
    this.members = new Membership(backend);
    this.alarms = new Alarms(backend);
    this.auth = new AuthState(backend);
    this.version = new ClusterVersion(backend);
  }

  /** Tables in the order in which their rows must be loaded: keys attach themselves to leases. */
  static readonly loadOrder: readonly Table[] = ["lease", "members", "alarm", "auth", "key"];

  /** Takes one stored row back after a restart. */
  load(table: Table, key: Uint8Array, value: Uint8Array): void {
    if (table === "key") this.space.load(key, value);
    else if (table === "lease") this.leases.load(key, value);
    else if (table === "members") this.members.load(key, value);
    else if (table === "alarm") this.alarms.load(key);
    else if (table === "auth") this.auth.load(key, value);
  }

  finishLoading(): void {
    this.space.finishLoading();
    this.version.load();
  }

  /** Applies one command. Throws what the requester is to be told; the state is then unchanged. */
  apply(command: Command, context: ApplyContext): Answer {
    if (this.alarms.has(AlarmType.CORRUPT) && touchesData(command)) throw new StoreError("CORRUPT_CLUSTER");
    if (takesSpace(command)) this.#refuseWhenFull();
    authorizeCommand(this, command);
    if (command.put !== undefined) return this.#put(command.put, context);
    if (command.txn !== undefined) return this.#txn(command.txn, context);
    if (command.deleteRange !== undefined) return this.#deleteRange(command.deleteRange, context);
    if (command.compaction !== undefined) return this.#compact(command.compaction);
    if (command.leaseGrant !== undefined) return this.#grant(command.leaseGrant, context);
    if (command.leaseRevoke !== undefined) return this.#revoke(command.leaseRevoke, context);
    if (command.leaseCheckpoint !== undefined) return this.#checkpoint(command.leaseCheckpoint);
    if (command.alarm !== undefined) return this.#alarm(command.alarm);
    if (command.clusterMemberAttrSet !== undefined) return this.#setAttributes(command.clusterMemberAttrSet);
    if (command.clusterVersionSet !== undefined) return this.#setVersion(command.clusterVersionSet);
    if (command.downgradeInfoSet !== undefined) return this.#setDowngrade(command.downgradeInfoSet);
    const outcome = applyAuthCommand(this.auth, this.tokens, command, context);
    if (outcome !== undefined) return this.#authAnswer(outcome.authenticated);
    throw new StoreError("DATA_DAMAGED", "Cannot apply log entry: it holds no command that this version knows");
  }

  #put(request: etcdserverpb.PutRequest, context: ApplyContext): Answer {
    // Alone, a put's lease is looked at before its key; in a transaction after it.
    if (request.lease !== 0n && this.leases.get(request.lease) === undefined) throw new StoreError("LEASE_NOT_FOUND");
    checkPutApplies(this.space, request);
    const writer = new WriteTransaction(this.space);
    const answer = executePut(writer, request);
    this.#commit(writer, context);
    return answer;
  }

  #deleteRange(request: etcdserverpb.DeleteRangeRequest, context: ApplyContext): Answer {
    const writer = new WriteTransaction(this.space);
    const answer = executeDeleteRange(writer, request);
    this.#commit(writer, context);
    return answer;
  }

  #txn(request: etcdserverpb.TxnRequest, context: ApplyContext): Answer {
    const plan = planTxn(this.space, request);
    checkTxnPlan(this.space, plan);
    const writer = isReadOnlyTxn(request) ? undefined : new WriteTransaction(this.space);
    const answer = executeTxn(this.space, writer, plan);
    if (writer !== undefined) this.#commit(writer, context);
    this.counts.txns += 1;
    return { ...answer, revision: this.space.currentRevision };
  }

  #compact(request: etcdserverpb.CompactionRequest): Answer {
    this.space.compact(request.revision);
    return this.#done();
  }

  #grant(request: etcdserverpb.LeaseGrantRequest, context: ApplyContext): Answer {
    const lease = this.leases.grant(request.ID, request.TTL, context.nowMs);
    this.counts.leasesGranted += 1;
    this.leaseTTLs.observe(lease.ttlSeconds);
    return { kind: "leaseGrant", revision: this.space.currentRevision, id: lease.id, ttlSeconds: lease.ttlSeconds };
  }

  #revoke(request: etcdserverpb.LeaseRevokeRequest, context: ApplyContext): Answer {
    const keys = this.leases.revoke(request.ID);
    this.counts.leasesRevoked += 1;
    const writer = new WriteTransaction(this.space);
    writer.deleteKeys(keys);
    this.#commit(writer, context);
    return this.#done();
  }

  #checkpoint(request: etcdserverpb.LeaseCheckpointRequest): Answer {
    for (const { ID, remainingTTL } of request.checkpoints) this.leases.checkpoint(ID, remainingTTL);
    return this.#done();
  }

  #alarm(request: etcdserverpb.AlarmRequest): AlarmAnswer {
    const alarm = { memberID: request.memberID, alarm: request.alarm };
    const answer = (alarms: AlarmAnswer["alarms"]): AlarmAnswer => ({ kind: "alarm", revision: this.space.currentRevision, alarms });
    if (request.action === AlarmAction.GET) return answer(this.alarms.list(request.alarm));
    if (request.alarm === AlarmType.NONE) return answer([]);
    const changed = request.action === AlarmAction.ACTIVATE ? this.alarms.raise(alarm) : this.alarms.clear(alarm);
    return answer(changed === undefined ? [] : [changed]);
  }

  #setAttributes(request: {
    readonly memberID: bigint;
    readonly memberAttributes?: { readonly name: string; readonly clientUrls: readonly string[] } | undefined;
  }): Answer {
    this.members.setAttributes(request.memberID, request.memberAttributes ?? { name: "", clientUrls: [] });
    return this.#done();
  }

  #setVersion(request: { readonly ver: string }): Answer {
    this.version.setVersion(request.ver);
    return this.#done();
  }

  #setDowngrade(request: { readonly enabled: boolean; readonly ver: string }): Answer {
    this.version.setDowngrade(request.enabled, request.ver);
    return this.#done();
  }

  #authAnswer(made: Authenticated | undefined): Answer {
    if (made === undefined) return this.#done();
    const { username, token, revision: authRevision } = made;
    return { kind: "authenticate", revision: this.space.currentRevision, username, authRevision, token };
  }

  #refuseWhenFull(): void {
    if (this.alarms.has(AlarmType.NOSPACE)) throw new StoreError("NO_SPACE");
  }

  #commit(writer: WriteTransaction, context: ApplyContext): void {
    for (const event of writer.commit().events) {
      if (event.type === "put") {
        this.counts.puts += 1;
        this.counts.putBytes += event.value.length;
      } else this.counts.deletes += 1;
      context.events.push(event);
    }
  }

  #done(): DoneAnswer {
    return { kind: "done", revision: this.space.currentRevision };
  }
}

/** What a damaged state must not be changed by, and not be deleted from either: it is to be looked at. */
function touchesData({ put, deleteRange, txn, compaction, leaseGrant, leaseRevoke }: Command): boolean {
  return [put, deleteRange, txn, compaction, leaseGrant, leaseRevoke].some((request) => request !== undefined);
}

function takesSpace(command: Command): boolean {
  return command.put !== undefined || command.leaseGrant !== undefined || (command.txn !== undefined && hasPut(command.txn));
}

function hasPut(request: etcdserverpb.TxnRequest): boolean {
  return [...request.success, ...request.failure].some(
    ({ request: op }) => op?.$case === "requestPut" || (op?.$case === "requestTxn" && hasPut(op.value)),
  );
}
