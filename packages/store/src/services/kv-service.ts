// etcdserverpb.KV.
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcCall, RpcHandlers, RpcServerStream } from "@lenj/rpc-server";
import { encodeDeleteRange, encodePut, encodeRange, encodeTxn } from "./answer-codec.js";
import type { ServiceContext } from "./context.js";
import { KVOperations } from "./kv-operations.js";
import { rangeStream } from "./range-stream.js";

export function kvService(context: ServiceContext): RpcHandlers {
  const { header } = context;
  const kv = new KVOperations(context);
  return {
    range: async (request: etcdserverpb.RangeRequest, call: RpcCall) => {
      const answer = await kv.range(request, call);
      return encodeRange(answer, header(answer.revision));
    },
    rangeStream: (request: etcdserverpb.RangeRequest, stream: RpcServerStream<Buffer>) => rangeStream(context, request, stream),
    put: async (request: etcdserverpb.PutRequest, call: RpcCall) => {
      const answer = await kv.put(request, call);
      return encodePut(answer, header(answer.revision));
    },
    deleteRange: async (request: etcdserverpb.DeleteRangeRequest, call: RpcCall) => {
      const answer = await kv.deleteRange(request, call);
      return encodeDeleteRange(answer, header(answer.revision));
    },
    txn: async (request: etcdserverpb.TxnRequest, call: RpcCall) => {
      const answer = await kv.txn(request, call);
      return encodeTxn(answer, header(answer.revision));
    },
    compact: async (request: etcdserverpb.CompactionRequest, call: RpcCall): Promise<etcdserverpb.CompactionResponse> => ({
      header: header((await kv.compact(request, call)).revision),
    }),
  };
}
