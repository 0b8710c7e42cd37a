// Compares what clients were told with what the one true sequence of commands does.
//
// H1. An acknowledged write is in the sequence, once, and was answered as the sequence says; one refused for certain is not in it.
// H2. A read shows the store as it was at the revision that its answer names.
// H3. A linearizable answer is not older than anything acknowledged before its call; checked when it arrives (see RealTime).
//     Together with H1 and H2 that is strict serializability, with the revisions as the order.
import type { Entry } from "@lenj/raft";
import { decodeCommandBody } from "@lenj/store/core";
import { Violation } from "../../world/violation.js";
import { applyErrors, type ClientOperation, definiteErrors } from "./client-operation.js";
import { type Outcome, ReferenceStore } from "./reference-store.js";

/** Runs the sequence and checks every operation against it. Throws Violation. Returns the store at its end. */
export function checkHistory(
  history: readonly Entry[],
  operations: readonly ClientOperation[],
  operationOf: (data: Uint8Array) => ClientOperation | undefined,
): ReferenceStore {
  const store = new ReferenceStore();
  const outcomes = new Map<ClientOperation, Outcome>();
  for (const entry of history) {
    if (entry.type !== "normal" || entry.data.length === 0) continue;
    const outcome = store.apply(decodeCommandBody(entry.data));
    const operation = operationOf(entry.data);
    if (operation === undefined) continue;
    if (outcomes.has(operation)) throw violation("Exactly Once", operation, `is in the log twice, again at ${entry.index}`);
    outcomes.set(operation, outcome);
  }
  for (const operation of operations) {
    if (operation.request.kind === "range" || isReadOnly(operation)) checkRead(store, operation);
    else checkWrite(operation, outcomes.get(operation));
  }
  return store;
}

function checkWrite(operation: ClientOperation, outcome: Outcome | undefined): void {
  const { answer } = operation;
  if (answer === undefined) return;
  if ("error" in answer) {
    if (definiteErrors.has(answer.error) && outcome !== undefined)
      throw violation("Truthful Errors", operation, `took effect after ${answer.error}`);
    if (!applyErrors.has(answer.error)) return;
  }
  if (outcome === undefined) throw violation("Durability", operation, "was answered, but is not in the log");
  const expected = "error" in outcome ? outcome.error : `${outcome.revision} ${outcome.text}`;
  const found = "error" in answer ? answer.error : `${answer.revision} ${answer.text}`;
  if (expected !== found) throw violation("Answers", operation, `got "${found}", must be "${expected}"`);
}

function checkRead(store: ReferenceStore, operation: ClientOperation): void {
  const { answer, request, floor } = operation;
  if (answer === undefined) return;
  const asked = request.kind === "range" ? request.value.revision : 0;
  if ("error" in answer) {
    if (answer.error === "COMPACTED" && asked >= store.compactRevision)
      throw violation("Answers", operation, "got COMPACTED, was not compacted");
    const isCurrent = request.kind === "range" && !request.value.serializable;
    if (answer.error === "FUTURE_REVISION" && isCurrent && asked <= floor.revision)
      throw violation("Linearizability", operation, `got FUTURE_REVISION, ${floor.revision} was acknowledged`);
    return;
  }
  if (answer.revision > store.revision)
    throw violation("Answers", operation, `shows revision ${answer.revision}, which was never committed`);
  if (request.kind !== "range") return;
  if (!request.value.serializable && asked > 0 && asked < floor.compactRevision)
    throw violation("Answers", operation, `read ${asked}, below the compaction at ${floor.compactRevision}`);
  const expected = store.describeRange(request.value, asked > 0 ? asked : answer.revision);
  if (expected !== answer.text) throw violation("Answers", operation, `got "${answer.text}" at ${answer.revision}, must be "${expected}"`);
}

function isReadOnly({ request }: ClientOperation): boolean {
  return (
    request.kind === "txn" && [...request.value.success, ...request.value.failure].every(({ request: op }) => op?.$case === "requestRange")
  );
}

function violation(rule: string, operation: ClientOperation, message: string): Violation {
  return new Violation(rule, `operation ${operation.id} (${operation.request.kind}) called at ${operation.calledMs} ms ${message}`);
}
