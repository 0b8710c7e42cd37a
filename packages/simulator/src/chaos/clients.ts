// Concurrent clients of a real cluster, and what they were answered.
//
// C1. A call that fails has an unknown outcome, whatever the error says: it may take effect until the end of the run.
import type { Random } from "@lenj/base";
import { createEtcdClient, type EtcdClient } from "@lenj/etcd-client";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { Operation } from "../checkers/linearizability.js";

const keys = ["r/0", "r/1", "r/2", "r/3", "r/4"];
const callTimeoutMs = 2_000;
const pauseMs = 5;
const { Compare_CompareResult: Result, Compare_CompareTarget: Target } = etcdserverpb;

export class ChaosHistory {
  readonly operations: Operation[] = [];
  /** Keys written once each, and acknowledged. */
  readonly acknowledged: string[] = [];
  #lastValue = 0;

  nextValue(): number {
    this.#lastValue += 1;
    return this.#lastValue;
  }
}

/** Works until `signal` is aborted. `endpoints`: the one it prefers first. */
export async function runClient(
  client: number,
  endpoints: readonly string[],
  history: ChaosHistory,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const etcd = createEtcdClient({ endpoints, callTimeoutMs });
  let known: number | undefined;
  try {
    while (!signal.aborted) {
      const kind = (["get", "put", "cas"] as const)[random.below(3)] ?? "get";
      const operation: Operation = {
        ...{ id: history.operations.length, client, kind, key: keys[random.below(keys.length)] as string, calledAt: performance.now() },
        ...(kind === "get" ? {} : { value: history.nextValue() }),
        ...(kind === "cas" ? { expected: known } : {}),
      };
      history.operations.push(operation);
      try {
        Object.assign(operation, await perform(etcd, operation), { returnedAt: performance.now() });
        known = operation.tookEffect === true ? operation.value : operation.seen;
        const once = `a/${client}/${operation.id}`;
        await etcd.put({ key: Buffer.from(once), value: Buffer.from("v") });
        history.acknowledged.push(once);
      } catch {
        // C1.
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  } finally {
    await etcd.close();
  }
}

async function perform(etcd: EtcdClient, { kind, key: name, value, expected }: Operation): Promise<Pick<Operation, "seen" | "tookEffect">> {
  const key = Buffer.from(name);
  const text = Buffer.from(String(value));
  if (kind === "get") return { seen: numberOf((await etcd.range({ key })).kvs[0]?.value), tookEffect: false };
  if (kind === "put") return { seen: numberOf((await etcd.put({ key, value: text, prevKv: true })).prevKv?.value), tookEffect: true };
  const compare =
    expected === undefined
      ? { key, result: Result.EQUAL, target: Target.VERSION, targetUnion: { $case: "version" as const, value: 0n } }
      : { key, result: Result.EQUAL, target: Target.VALUE, targetUnion: { $case: "value" as const, value: Buffer.from(String(expected)) } };
  const answer = await etcd.txn({
    compare: [compare],
    success: [{ request: { $case: "requestPut", value: { key, value: text } } }],
    failure: [{ request: { $case: "requestRange", value: { key } } }],
  });
  if (answer.succeeded) return { seen: expected, tookEffect: true };
  const found = answer.responses[0]?.response;
  return { seen: found?.$case === "responseRange" ? numberOf(found.value.kvs[0]?.value) : undefined, tookEffect: false };
}

function numberOf(value: Uint8Array | undefined): number | undefined {
  return value === undefined ? undefined : Number(Buffer.from(value).toString());
}
