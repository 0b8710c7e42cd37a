// What KV's methods do, before it is encoded: checks, then local state for reads and the log for writes. Also for services built on these.
//
// K1. The replicated state is looked up after every wait: a snapshot of the leader may have replaced it meanwhile.
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcCall } from "@lenj/rpc-server";
import type { DeleteRangeAnswer, DoneAnswer, PutAnswer, RangeAnswer, TxnAnswer } from "../core/answers.js";
import { authorizeRange, authorizeTxn } from "../core/auth/authorize.js";
import type { ReadRequest } from "../core/describe-request.js";
import { readRange } from "../core/range-read.js";
import { checkDeleteRange, checkPut, checkRange, checkTxn, isReadOnlyTxn, isSerializableTxn } from "../core/request-checks.js";
import type { StateMachine } from "../core/state-machine.js";
import { checkTxnPlan, executeTxn, planTxn } from "../core/txn-execute.js";
import type { ServiceContext } from "./context.js";
import { putCost, Quota, txnCost } from "./quota.js";

export class KVOperations {
  readonly #quota: Quota;

  constructor(private readonly context: ServiceContext) {
    this.#quota = new Quota(context);
  }

  async range(request: etcdserverpb.RangeRequest, call: RpcCall): Promise<RangeAnswer> {
    const { access } = this.context;
    checkRange(request);
    return await this.#read(request, request.serializable, (state) => {
      if (state.auth.isEnabled) authorizeRange(state, access.identityOf(call), request);
      return readRange(state.space, request, state.space.currentRevision);
    });
  }

  async put(request: etcdserverpb.PutRequest, call: RpcCall): Promise<PutAnswer> {
    const { replica, access } = this.context;
    await this.#quota.check(putCost(request));
    checkPut(request);
    return (await replica.propose({ ...access.headerOf(call), put: request })) as PutAnswer;
  }

  async deleteRange(request: etcdserverpb.DeleteRangeRequest, call: RpcCall): Promise<DeleteRangeAnswer> {
    const { replica, access } = this.context;
    checkDeleteRange(request);
    return (await replica.propose({ ...access.headerOf(call), deleteRange: request })) as DeleteRangeAnswer;
  }

  async txn(request: etcdserverpb.TxnRequest, call: RpcCall): Promise<TxnAnswer> {
    const { replica, access, txnOpsMax } = this.context;
    await this.#quota.check(txnCost(request));
    checkTxn(request, txnOpsMax);
    if (!isReadOnlyTxn(request)) return (await replica.propose({ ...access.headerOf(call), txn: request })) as TxnAnswer;
    return await this.#read(request, isSerializableTxn(request), (state) => {
      if (state.auth.isEnabled) authorizeTxn(state, access.identityOf(call), request);
      const plan = planTxn(state.space, request);
      checkTxnPlan(state.space, plan);
      return { ...executeTxn(state.space, undefined, plan), revision: state.space.currentRevision };
    });
  }

  async compact(request: etcdserverpb.CompactionRequest, call: RpcCall): Promise<DoneAnswer> {
    const { replica, access } = this.context;
    const answer = (await replica.propose({ ...access.headerOf(call), compaction: request })) as DoneAnswer;
    if (request.physical) await replica.dropped();
    return answer;
  }

  /** Reads the state, unless it may be an old one at a point that the leader confirmed, and notes where the time went. */
  async #read<Answer>(request: ReadRequest, mayBeOld: boolean, read: (state: StateMachine) => Answer): Promise<Answer> {
    const { replica, clock, times } = this.context;
    const arrivedMs = clock.monotonicMs();
    let [confirmedMs, reachedMs] = [arrivedMs, arrivedMs];
    if (!mayBeOld) {
      await replica.linearizable();
      confirmedMs = replica.readConfirmedMs;
      reachedMs = clock.monotonicMs();
    }
    const answer = read(replica.state);
    times?.onRead(request, { arrivedMs, confirmedMs, reachedMs, doneMs: clock.monotonicMs() });
    return answer;
  }
}
