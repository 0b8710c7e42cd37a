// What KV's methods do, before it is encoded: checks, then local state for reads and the log for writes. Also for services built on these.
//
// K1. The replicated state is looked up after every wait: a snapshot of the leader may have replaced it meanwhile.
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcCall } from "@lenj/rpc-server";
import type { DeleteRangeAnswer, DoneAnswer, PutAnswer, RangeAnswer, TxnAnswer } from "../core/answers.js";
import { authorizeRange, authorizeTxn } from "../core/auth/authorize.js";
import { readRange } from "../core/range-read.js";
import { checkDeleteRange, checkPut, checkRange, checkTxn, isReadOnlyTxn, isSerializableTxn } from "../core/request-checks.js";
import { checkTxnPlan, executeTxn, planTxn } from "../core/txn-execute.js";
import type { ServiceContext } from "./context.js";
import { putCost, Quota, txnCost } from "./quota.js";

export class KVOperations {
  readonly #quota: Quota;

  constructor(private readonly context: ServiceContext) {
    this.#quota = new Quota(context);
  }

  async range(request: etcdserverpb.RangeRequest, call: RpcCall): Promise<RangeAnswer> {
    const { replica, access } = this.context;
    checkRange(request);
    if (!request.serializable) await replica.linearizable();
    const { state } = replica;
    if (state.auth.isEnabled) authorizeRange(state, access.identityOf(call), request);
    return readRange(state.space, request, state.space.currentRevision);
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
    if (!isSerializableTxn(request)) await replica.linearizable();
    const { state } = replica;
    if (state.auth.isEnabled) authorizeTxn(state, access.identityOf(call), request);
    const plan = planTxn(state.space, request);
    checkTxnPlan(state.space, plan);
    return { ...executeTxn(state.space, undefined, plan), revision: state.space.currentRevision };
  }

  async compact(request: etcdserverpb.CompactionRequest, call: RpcCall): Promise<DoneAnswer> {
    const { replica, access } = this.context;
    const answer = (await replica.propose({ ...access.headerOf(call), compaction: request })) as DoneAnswer;
    if (request.physical) await replica.dropped();
    return answer;
  }
}
