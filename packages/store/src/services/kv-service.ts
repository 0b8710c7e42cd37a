// etcdserverpb.KV: checks, then local state for reads and the log for writes.
//
// K1. The replicated state is looked up after every wait: a snapshot of the leader may have replaced it meanwhile.

import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcHandlers } from "@lenj/rpc-server";
import type { DeleteRangeAnswer, PutAnswer, TxnAnswer } from "../core/answers.js";
import { readRange } from "../core/range-read.js";
import { checkDeleteRange, checkPut, checkRange, checkTxn, isReadOnlyTxn, isSerializableTxn } from "../core/request-checks.js";
import { checkTxnPlan, executeTxn, planTxn } from "../core/txn-execute.js";
import { encodeDeleteRange, encodePut, encodeRange, encodeTxn } from "./answer-codec.js";
import type { ServiceContext } from "./context.js";
import { putCost, Quota, txnCost } from "./quota.js";

export function kvService(context: ServiceContext): RpcHandlers {
  const { replica, header } = context;
  const quota = new Quota(context);
  return {
    range: async (request: etcdserverpb.RangeRequest) => {
      checkRange(request);
      if (!request.serializable) await replica.linearizable();
      const { space } = replica.state;
      const revision = space.currentRevision;
      return encodeRange(readRange(space, request, revision), header(revision));
    },
    put: async (request: etcdserverpb.PutRequest) => {
      await quota.check(putCost(request));
      checkPut(request);
      const answer = (await replica.propose({ put: request })) as PutAnswer;
      return encodePut(answer, header(answer.revision));
    },
    deleteRange: async (request: etcdserverpb.DeleteRangeRequest) => {
      checkDeleteRange(request);
      const answer = (await replica.propose({ deleteRange: request })) as DeleteRangeAnswer;
      return encodeDeleteRange(answer, header(answer.revision));
    },
    txn: async (request: etcdserverpb.TxnRequest) => {
      await quota.check(txnCost(request));
      checkTxn(request, context.txnOpsMax);
      if (isReadOnlyTxn(request)) {
        if (!isSerializableTxn(request)) await replica.linearizable();
        const { space } = replica.state;
        const plan = planTxn(space, request);
        checkTxnPlan(space, plan);
        const answer = executeTxn(space, undefined, plan);
        return encodeTxn({ ...answer, revision: space.currentRevision }, header(space.currentRevision));
      }
      const answer = (await replica.propose({ txn: request })) as TxnAnswer;
      return encodeTxn(answer, header(answer.revision));
    },
    compact: async (request: etcdserverpb.CompactionRequest): Promise<etcdserverpb.CompactionResponse> => {
      const answer = await replica.propose({ compaction: request });
      if (request.physical) await replica.dropped();
      return { header: header(answer.revision) };
    },
  };
}
