// KV.RangeStream: a range in pieces, as fast as the client reads them.
//
// R1. All pieces are read at one revision, the newest when the first was read unless the request names one; a compaction past it on
//     the way ends the stream with COMPACTED.
// R2. Only one piece is in memory, and no turn of the event loop reads more than one.
// R3. Put together the pieces are what Range answers. The last one alone has a header, `more` and `count`.
// R4. The right to read is looked at again for each piece.
// Source: etcd server/etcdserver/v3_server.go (RangeStream), 3.7.
import { type EncodedKeyValue, keyRangeFromWire } from "@lenj/mvcc";
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcServerStream } from "@lenj/rpc-server";
import { authorizeRange } from "../core/auth/authorize.js";
import { StoreError } from "../core/errors.js";
import { hasRevisionFilter, hasSortOrder, withoutValue } from "../core/range-read.js";
import { checkRange } from "../core/request-checks.js";
import { encodeRangeChunk } from "./answer-codec.js";
import type { ServiceContext } from "./context.js";
import { PacedStream } from "./paced-stream.js";

const firstPieceKeys = 10;

export function rangeStream(context: ServiceContext, request: etcdserverpb.RangeRequest, stream: RpcServerStream<Buffer>): void {
  checkRange(request);
  if (hasSortOrder(request)) throw new StoreError("UNIMPLEMENTED", "RangeStream does not support custom sort orders");
  if (hasRevisionFilter(request)) throw new StoreError("UNIMPLEMENTED", "RangeStream does not support revision filters");
  sendPieces(context, request, stream).then(
    () => stream.end(),
    (error: unknown) => stream.fail(error),
  );
}

async function sendPieces(context: ServiceContext, request: etcdserverpb.RangeRequest, stream: RpcServerStream<Buffer>): Promise<void> {
  const { replica, access, header, maxRequestBytes } = context;
  const paced = new PacedStream(stream);
  if (!request.serializable) await replica.linearizable();
  const currentRevision = replica.state.space.currentRevision;
  const revision = request.revision > 0 ? request.revision : currentRevision;
  const range = keyRangeFromWire(request.key, request.rangeEnd);
  let rest = request.countOnly ? 0 : request.limit > 0 ? request.limit : Number.MAX_SAFE_INTEGER;
  let limit = firstPieceKeys;
  let sent = 0;
  for (let start = range.start; ; ) {
    const { state } = replica;
    if (state.auth.isEnabled) authorizeRange(state, access.identityOf(stream), request);
    const { values, next } = state.space.page({ start, end: range.end }, { revision, limit: Math.min(limit, rest) });
    const piece = request.keysOnly ? values.map(withoutValue) : values;
    sent += piece.length;
    rest -= piece.length;
    if (next === undefined || rest <= 0) {
      const left =
        next === undefined ? 0 : state.space.range({ start: next, end: range.end }, { revision, limit: 0, countOnly: true }).count;
      const answer = {
        kind: "range",
        revision: currentRevision,
        values: piece,
        more: left > 0 && !request.countOnly,
        count: sent + left,
      } as const;
      return await paced.write(encodeRangeChunk(piece, { answer, header: header(currentRevision) }));
    }
    await paced.write(encodeRangeChunk(piece, undefined));
    start = next;
    limit = nextLimit(limit, bytesOf(piece), maxRequestBytes);
    // Reading on at once would keep everybody else waiting while the client is fast.
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}

/** Doubled while pieces are small, halved when they are too large: pieces of about the size of the largest request. */
function nextLimit(limit: number, bytes: number, bytesWanted: number): number {
  if (bytes < bytesWanted / 2) return limit * 2;
  return bytes > bytesWanted * 2 ? Math.max(1, Math.floor(limit / 2)) : limit;
}

function bytesOf(values: readonly EncodedKeyValue[]): number {
  return values.reduce((sum, value) => sum + value.length, 0);
}
