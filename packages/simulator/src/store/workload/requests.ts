// What clients ask for. Keys "r…" are registers: used one at a time, by get, put and compare-and-set only; "m…" are used in every way.
import { etcdserverpb } from "@lenj/proto/etcd";
import type { Operation } from "../../checkers/linearizability.js";
import type { Request } from "../checkers/client-operation.js";
import type { Session } from "./session.js";

export type RegisterUse = Pick<Operation, "key" | "kind" | "value" | "expected">;

const { Compare_CompareResult: Result, Compare_CompareTarget: Target } = etcdserverpb;

const bytes = (value: string): Buffer => Buffer.from(value, "latin1");

export const rangeOf = (key: string, more: Partial<etcdserverpb.RangeRequest> = {}): Request => ({
  kind: "range",
  value: etcdserverpb.RangeRequest.fromPartial({ key: bytes(key), ...more }),
});

export const putOf = (key: string, value: string, more: Partial<etcdserverpb.PutRequest> = {}): Request => ({
  kind: "put",
  value: etcdserverpb.PutRequest.fromPartial({ key: bytes(key), value: bytes(value), ...more }),
});

export function drawRequest(
  session: Session,
  id: number,
  lastSeen: (key: string) => number | undefined,
): { request: Request; register?: RegisterUse } {
  const { loop } = session;
  return loop.chance(400) ? drawRegisterUse(session, id, lastSeen) : { request: drawGeneral(session, id) };
}

function drawRegisterUse(
  { loop, cluster }: Session,
  id: number,
  lastSeen: (key: string) => number | undefined,
): { request: Request; register: RegisterUse } {
  const key = `r${loop.random.below(cluster.options.keys)}`;
  const kind = loop.pick(["get", "get", "put", "cas", "cas"] as const);
  if (kind === "get") return { request: rangeOf(key), register: { key, kind } };
  if (kind === "put") return { request: putOf(key, String(id), { prevKv: true }), register: { key, kind, value: id } };
  const expected = lastSeen(key);
  const compare =
    expected === undefined
      ? { target: Target.VERSION, targetUnion: { $case: "version", value: 0n } as const }
      : { target: Target.VALUE, targetUnion: { $case: "value", value: bytes(String(expected)) } as const };
  const request = txnOf([{ key: bytes(key), result: Result.EQUAL, ...compare }], [putOf(key, String(id))], [rangeOf(key)]);
  return { request, register: { key, kind, value: id, expected } };
}

function drawGeneral(session: Session, id: number): Request {
  const { loop, told } = session;
  const any = (): string => `m${loop.random.below(session.cluster.options.keys)}`;
  const value = String(id);
  const old = (): number => Math.max(1, told.revision - loop.random.below(30));
  switch (loop.random.below(12)) {
    case 0:
    case 1:
      return putOf(any(), value, { prevKv: loop.chance(500) });
    case 2:
      return { kind: "deleteRange", value: etcdserverpb.DeleteRangeRequest.fromPartial({ key: bytes(any()), prevKv: loop.chance(500) }) };
    case 3:
      return {
        kind: "deleteRange",
        value: etcdserverpb.DeleteRangeRequest.fromPartial({ key: bytes(any()), rangeEnd: bytes("m~"), prevKv: loop.chance(500) }),
      };
    case 4:
      return rangeOf("m", { rangeEnd: bytes("n"), limit: loop.random.below(3) });
    case 5:
      return rangeOf("m", { rangeEnd: bytes("n"), serializable: true });
    case 6:
      return rangeOf("m", { rangeEnd: bytes("n"), revision: old(), serializable: loop.chance(300) });
    case 7:
      return drawWideTxn(session, id);
    case 8: {
      // As Kubernetes updates: only when nobody else did.
      const key = any();
      return txnOf(
        [compareMod(key, loop.chance(300) ? 0 : old())],
        [putOf(key, value)],
        [rangeOf(key), ...(loop.chance(200) ? [putOf(`${key}x`, value)] : [])],
      );
    }
    case 9:
      // A range at an old revision beside a write: it must fail everywhere or nowhere.
      return txnOf(
        [],
        [rangeOf("m", { rangeEnd: bytes("n"), revision: Math.max(1, told.compactRevision + loop.between(-3, 3)) }), putOf(any(), value)],
        [],
      );
    case 10:
      return putOf(any(), value, { ignoreLease: true });
    default:
      return rangeOf(any());
  }
}

function drawWideTxn({ loop, cluster, told }: Session, id: number): Request {
  const { keys } = cluster.options;
  const [first, second] = [loop.random.below(keys), loop.random.below(keys)];
  const puts = [...new Set([first, second])].map((key) => putOf(`m${key}`, `${id}`));
  const deletion: Request = { kind: "deleteRange", value: etcdserverpb.DeleteRangeRequest.fromPartial({ key: bytes(`m${first}x`) }) };
  return txnOf(
    [
      compareMod(`m${first}`, told.revision, Result.LESS),
      { ...compareMod(`m${second}`, 0), result: loop.pick([Result.GREATER, Result.EQUAL]) },
    ],
    [...puts, rangeOf("m", { rangeEnd: bytes("n") }), deletion],
    [rangeOf(`m${second}`), putOf(`m${first}`, `${id}`)],
  );
}

function compareMod(key: string, revision: number, result = Result.EQUAL): Partial<etcdserverpb.Compare> {
  return { key: bytes(key), result, target: Target.MOD, targetUnion: { $case: "modRevision", value: BigInt(revision) } };
}

function txnOf(compare: Partial<etcdserverpb.Compare>[], success: Request[], failure: Request[]): Request {
  return {
    kind: "txn",
    value: {
      compare: compare.map((each) => ({ ...etcdserverpb.Compare.fromPartial({}), ...each })),
      success: success.map(opOf),
      failure: failure.map(opOf),
    },
  };
}

function opOf(request: Request): etcdserverpb.RequestOp {
  if (request.kind === "range") return { request: { $case: "requestRange", value: request.value } };
  if (request.kind === "put") return { request: { $case: "requestPut", value: request.value } };
  if (request.kind === "deleteRange") return { request: { $case: "requestDeleteRange", value: request.value } };
  throw new Error(`${request.kind} does not go into a transaction`);
}
