// v3lockpb.Lock: a mutex for clients that leave the waiting to the server.
//
// A lock only says that at one moment its holder's lease ran and nobody else held it: what must not happen twice should compare the key's
// create revision in the same transaction.
// Source: etcd server/etcdserver/api/v3lock.
import { etcdserverpb, type v3lockpb } from "@lenj/proto/etcd";
import type { RpcCall, RpcHandlers } from "@lenj/rpc-server";
import { StoreError } from "../core/errors.js";
import type { ServiceContext } from "./context.js";
import { KeyQueue, prefixOf, relaying } from "./key-queue.js";
import { KVOperations } from "./kv-operations.js";

export function lockService(context: ServiceContext): RpcHandlers {
  const { header } = context;
  const kv = new KVOperations(context);
  return relaying({
    lock: async (request: v3lockpb.LockRequest, call: RpcCall): Promise<v3lockpb.LockResponse> => {
      const queue = new KeyQueue(context, kv, call);
      const prefix = prefixOf(request.name);
      const place = await queue.enter(prefix, { lease: request.lease, value: Buffer.alloc(0) });
      let revision: number | undefined;
      try {
        revision = await queue.waitForHead(prefix, place);
      } catch (error) {
        await queue.abandon(place);
        throw error;
      }
      if (revision === undefined) throw new StoreError("LOCK_SESSION_EXPIRED");
      return { header: header(revision), key: place.key };
    },
    unlock: async (request: v3lockpb.UnlockRequest, call: RpcCall): Promise<v3lockpb.UnlockResponse> => {
      const answer = await kv.deleteRange(etcdserverpb.DeleteRangeRequest.fromPartial({ key: request.key }), call);
      return { header: header(answer.revision) };
    },
  });
}
