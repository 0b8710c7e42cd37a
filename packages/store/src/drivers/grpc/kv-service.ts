// etcdserverpb.KV: checks, then local state for reads and the log for writes.
//
// K1. The replicated state is looked up after every wait: a snapshot of the leader may have replaced it meanwhile.
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { DeleteRangeAnswer, PutAnswer, TxnAnswer } from "../../core/answers.js";
import { readRange } from "../../core/range-read.js";
import { checkDeleteRange, checkPut, checkRange, checkTxn, isReadOnlyTxn, isSerializableTxn } from "../../core/request-checks.js";
import { checkTxnPlan, executeTxn, planTxn } from "../../core/txn-execute.js";
import { encodeDeleteRange, encodePut, encodeRange, encodeTxn } from "./answer-codec.js";
import { unary } from "./call.js";
import type { FrontContext } from "./front.js";
import { putCost, Quota, txnCost } from "./quota.js";

export function kvService(context: FrontContext): UntypedServiceImplementation {
  const { logger, replica, header } = context;
  const quota = new Quota(context);
  return {
    range: unary(logger, async (request: etcdserverpb.RangeRequest) => {
      checkRange(request);
      if (!request.serializable) await replica.linearizable();
      const { space } = replica.state;
      const revision = space.currentRevision;
      return encodeRange(readRange(space, request, revision), header(revision));
    }),
    put: unary(logger, async (request: etcdserverpb.PutRequest) => {
      await quota.check(putCost(request));
      checkPut(request);
      const answer = (await replica.propose({ put: request })) as PutAnswer;
      return encodePut(answer, header(answer.revision));
    }),
    deleteRange: unary(logger, async (request: etcdserverpb.DeleteRangeRequest) => {
      checkDeleteRange(request);
      const answer = (await replica.propose({ deleteRange: request })) as DeleteRangeAnswer;
      return encodeDeleteRange(answer, header(answer.revision));
    }),
    txn: unary(logger, async (request: etcdserverpb.TxnRequest) => {
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
    }),
    compact: unary(logger, async (request: etcdserverpb.CompactionRequest): Promise<etcdserverpb.CompactionResponse> => {
      const answer = await replica.propose({ compaction: request });
      if (request.physical) await replica.dropped();
      return { header: header(answer.revision) };
    }),
  };
}
