// The space quota: what writes are priced at, and the alarm that stops them.
// Source: etcd server/storage/quota.go and server/etcdserver/api/v3rpc/quota.go.
import { etcdserverpb } from "@lenj/proto/etcd";
import { StoreError } from "../core/errors.js";
import type { ServiceContext } from "./context.js";

/** What a key-value pair costs beside its bytes; what a lease costs. */
const pairOverheadBytes = 256;
export const leaseCost = 64;

export function putCost(request: etcdserverpb.PutRequest): number {
  return pairOverheadBytes + request.key.length + request.value.length;
}

/** The dearer branch. Deletions and reads are free. */
export function txnCost(request: etcdserverpb.TxnRequest): number {
  return Math.max(branchCost(request.success), branchCost(request.failure));
}

function branchCost(ops: readonly etcdserverpb.RequestOp[]): number {
  return ops.reduce((sum, { request }) => {
    if (request?.$case === "requestPut") return sum + putCost(request.value);
    return request?.$case === "requestTxn" ? sum + txnCost(request.value) : sum;
  }, 0);
}

export class Quota {
  constructor(private readonly context: Pick<ServiceContext, "replica" | "quotaBytes" | "logger">) {}

  /** Throws NO_SPACE, and raises the alarm for the whole cluster, when a write of this cost does not fit. */
  async check(cost: number): Promise<void> {
    const { replica, quotaBytes, logger } = this.context;
    if (cost === 0 || quotaBytes < 0 || replica.state.space.bytesInUse + cost < quotaBytes) return;
    const alarm = {
      action: etcdserverpb.AlarmRequest_AlarmAction.ACTIVATE,
      memberID: replica.config.memberID,
      alarm: etcdserverpb.AlarmType.NOSPACE,
    };
    if (!replica.state.alarms.has(etcdserverpb.AlarmType.NOSPACE)) {
      logger.warn("Raised alarm", { alarm: "NOSPACE", usedBytes: replica.state.space.bytesInUse, quotaBytes });
      replica.state.alarms.hasRunOutOfSpace = true;
      await replica.propose({ alarm });
    }
    throw new StoreError("NO_SPACE");
  }
}
