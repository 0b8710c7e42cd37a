// v3electionpb.Election: leader election for clients that leave the waiting to the server.
// Source: etcd server/etcdserver/api/v3election.
import { decodeKeyValue, type KeyValue, keyFromBytes } from "@lenj/mvcc";
import { etcdserverpb, type mvccpb, type v3electionpb } from "@lenj/proto/etcd";
import type { RpcCall, RpcHandlers, RpcServerStream } from "@lenj/rpc-server";
import { relayedError, StoreError } from "../core/errors.js";
import type { ServiceContext } from "./context.js";
import { keyEvents } from "./key-events.js";
import { createRevisionIs, KeyQueue, prefixEnd, prefixOf, relaying } from "./key-queue.js";
import { KVOperations } from "./kv-operations.js";
import { PacedStream } from "./paced-stream.js";

export function electionService(context: ServiceContext): RpcHandlers {
  const { header } = context;
  const kv = new KVOperations(context);
  const unary = relaying({
    campaign: async (request: v3electionpb.CampaignRequest, call: RpcCall): Promise<v3electionpb.CampaignResponse> => {
      const queue = new KeyQueue(context, kv, call);
      const prefix = prefixOf(request.name);
      const place = await queue.enter(prefix, request);
      let revision: number | undefined;
      try {
        if (!place.value.equals(request.value)) await proclaim(queue, { ...place, rev: place.createRevision }, request.value);
        revision = await queue.waitForHead(prefix, place);
      } catch (error) {
        await queue.abandon(place);
        throw error;
      }
      if (revision === undefined) throw new StoreError("ELECTION_NOT_LEADER");
      const { key, lease, createRevision: rev } = place;
      return { header: header(place.revision), leader: { name: request.name, key, rev, lease } };
    },
    proclaim: async ({ leader, value }: v3electionpb.ProclaimRequest, call: RpcCall): Promise<v3electionpb.ProclaimResponse> => {
      if (leader === undefined) throw new StoreError("ELECTION_LEADER_MISSING");
      return { header: header(await proclaim(new KeyQueue(context, kv, call), leader, value)) };
    },
    leader: async ({ name }: v3electionpb.LeaderRequest, call: RpcCall): Promise<v3electionpb.LeaderResponse> => {
      const head = await new KeyQueue(context, kv, call).head(prefixOf(name));
      if (head.kv === undefined) throw new StoreError("ELECTION_NO_LEADER");
      return { header: header(head.revision), kv: wireKeyValue(head.kv) };
    },
    resign: async ({ leader }: v3electionpb.ResignRequest, call: RpcCall): Promise<v3electionpb.ResignResponse> => {
      if (leader === undefined) throw new StoreError("ELECTION_LEADER_MISSING");
      const answer = await new KeyQueue(context, kv, call).leave({ key: leader.key, createRevision: leader.rev });
      return { header: header(answer.revision) };
    },
  });
  return {
    ...unary,
    observe: ({ name }: v3electionpb.LeaderRequest, stream: RpcServerStream<v3electionpb.LeaderResponse>): void => {
      const queue = new KeyQueue(context, kv, stream);
      observe(context, queue, { prefix: prefixOf(name), stream }).catch((error: unknown) => stream.fail(relayedError(error)));
    },
  };
}

/** Sets the leader's value while the key is the one it was elected with. Returns the revision. */
async function proclaim(
  queue: KeyQueue,
  leader: { readonly key: Buffer; readonly rev: number; readonly lease: bigint },
  value: Buffer,
): Promise<number> {
  const put = etcdserverpb.PutRequest.fromPartial({ key: leader.key, value, lease: await queue.leaseOf(leader.lease) });
  const answer = await queue.kv.txn(
    { compare: [createRevisionIs(leader.key, leader.rev)], success: [{ request: { $case: "requestPut", value: put } }], failure: [] },
    queue.call,
  );
  if (!answer.succeeded) throw new StoreError("ELECTION_NOT_LEADER");
  return answer.revision;
}

interface Observed {
  readonly prefix: Buffer;
  readonly stream: RpcServerStream<v3electionpb.LeaderResponse>;
}

/** Tells each leader and each value it proclaims, until the stream ends; values that were replaced meanwhile may be left out. */
async function observe(context: ServiceContext, queue: KeyQueue, { prefix, stream }: Observed): Promise<never> {
  const { signal } = stream;
  const paced = new PacedStream(stream);
  const send = (kv: KeyValue, revision: number): Promise<void> => paced.write({ header: context.header(revision), kv: wireKeyValue(kv) });
  for (;;) {
    const head = await queue.head(prefix);
    const kv = head.kv ?? (await firstPut(context, { prefix, startRevision: head.revision, signal }));
    await send(kv, head.kv === undefined ? kv.modRevision : head.revision);
    const range = { start: keyFromBytes(kv.key), end: undefined };
    const startRevision = Math.max(head.revision, kv.modRevision) + 1;
    watching: for await (const { events, revision } of keyEvents(context, { range, startRevision, signal })) {
      for (const event of events) {
        if (event.type === "delete") break watching;
        await send(decodeKeyValue(event.value), revision);
      }
    }
  }
}

async function firstPut(
  context: ServiceContext,
  { prefix, startRevision, signal }: { readonly prefix: Buffer; readonly startRevision: number; readonly signal: AbortSignal },
): Promise<KeyValue> {
  const range = { start: keyFromBytes(prefix), end: keyFromBytes(prefixEnd(prefix)) };
  for await (const { events } of keyEvents(context, { range, startRevision, signal })) {
    const put = events.find(({ type }) => type === "put");
    if (put !== undefined) return decodeKeyValue(put.value);
  }
  throw new StoreError("CANCELED"); // Not reached: the events have no end of their own.
}

function wireKeyValue(kv: KeyValue): mvccpb.KeyValue {
  return { ...kv, key: Buffer.from(kv.key), value: Buffer.from(kv.value) };
}
