// Decides whether a history of operations on one register could have come from operations that each took effect at one instant between
// their call and their return.
//
// Algorithm: Wing & Gong's search with Lowe's memory of visited (set of linearized operations, state) pairs. An operation whose outcome is
// unknown may take effect at any time after its call, or never.
// Source: Wing, Gong 1993; Lowe 2017; github.com/anishathalye/porcupine for the form.

/** What a client did to one key. Values of writes are unique in a run. */
export interface Operation {
  readonly id: number;
  readonly client: number;
  readonly key: string;
  readonly kind: "get" | "put" | "cas";
  /** Written by put and cas. */
  readonly value?: number | undefined;
  /** Compared by cas. */
  readonly expected?: number | undefined;
  readonly calledAt: number;
  /** Undefined when the outcome is unknown. */
  returnedAt?: number;
  /** The value that it found. */
  seen?: number | undefined;
  /** Whether it changed the value: false for a get, true for a put. */
  tookEffect?: boolean;
}

export type Verdict = "linearizable" | "violation" | "undecided";

interface Node {
  readonly operation: Operation;
  /** Position of the operation, for the set of linearized ones. */
  readonly bit: bigint;
  readonly isCall: boolean;
  match: Node | undefined;
  previous: Node | undefined;
  next: Node | undefined;
}

/** Checks each key by itself, which is sound since operations touch one key (locality). */
export function checkLinearizability(history: readonly Operation[], stepLimit = 2_000_000): { verdict: Verdict; key: string } {
  const byKey = new Map<string, Operation[]>();
  for (const operation of history) byKey.set(operation.key, [...(byKey.get(operation.key) ?? []), operation]);
  let undecided: string | undefined;
  for (const [key, operations] of byKey) {
    const verdict = checkRegister(dropUnseen(operations), stepLimit);
    if (verdict === "violation") return { verdict, key };
    if (verdict === "undecided") undecided = key;
  }
  return undecided === undefined ? { verdict: "linearizable", key: "" } : { verdict: "undecided", key: undecided };
}

/** A write with unknown outcome whose value nobody ever saw can be placed at the end of time, and a read that did not return says nothing. */
function dropUnseen(operations: readonly Operation[]): Operation[] {
  const seen = new Set<number | undefined>();
  for (const operation of operations) {
    if (operation.returnedAt !== undefined) seen.add(operation.seen);
  }
  return operations.filter((operation) => operation.returnedAt !== undefined || (operation.kind !== "get" && seen.has(operation.value)));
}

function checkRegister(operations: readonly Operation[], stepLimit: number): Verdict {
  const head = buildList(operations);
  const calls: { node: Node; state: number | undefined }[] = [];
  const visited = new Map<bigint, Set<number | undefined>>();
  let linearized = 0n;
  let state: number | undefined;
  let entry = head.next;
  let mandatory = operations.filter((operation) => operation.returnedAt !== undefined).length;
  for (let steps = 0; mandatory > 0; steps += 1) {
    if (steps > stepLimit) return "undecided";
    if (entry?.isCall === true) {
      const result = stepRegister(state, entry.operation);
      const next = linearized | entry.bit;
      if (result.isPossible && isNew(visited, next, result.state)) {
        calls.push({ node: entry, state });
        state = result.state;
        linearized = next;
        if (entry.operation.returnedAt !== undefined) mandatory -= 1;
        lift(entry);
        entry = head.next;
      } else {
        entry = entry.next;
      }
      continue;
    }
    // A return before its call was linearized, or the end: undo the last choice.
    const last = calls.pop();
    if (last === undefined) return "violation";
    state = last.state;
    linearized &= ~last.node.bit;
    if (last.node.operation.returnedAt !== undefined) mandatory += 1;
    unlift(last.node);
    entry = last.node.next;
  }
  return "linearizable";
}

function stepRegister(state: number | undefined, operation: Operation): { isPossible: boolean; state: number | undefined } {
  const { kind, value, expected } = operation;
  const takesEffect = kind === "put" || (kind === "cas" && state === expected);
  const isPossible = operation.returnedAt === undefined || (operation.seen === state && operation.tookEffect === takesEffect);
  return { isPossible, state: takesEffect ? value : state };
}

function isNew(visited: Map<bigint, Set<number | undefined>>, linearized: bigint, state: number | undefined): boolean {
  const states = visited.get(linearized);
  if (states === undefined) {
    visited.set(linearized, new Set([state]));
    return true;
  }
  if (states.has(state)) return false;
  states.add(state);
  return true;
}

/** Calls and returns in order of time; a call at the time of a return comes first, which allows more. Unknown outcomes have no return. */
function buildList(operations: readonly Operation[]): Node {
  const nodes: { at: number; node: Node }[] = [];
  operations.forEach((operation, position) => {
    const bit = 1n << BigInt(position);
    const call: Node = { operation, bit, isCall: true, match: undefined, previous: undefined, next: undefined };
    nodes.push({ at: operation.calledAt, node: call });
    if (operation.returnedAt === undefined) return;
    call.match = { operation, bit, isCall: false, match: undefined, previous: undefined, next: undefined };
    nodes.push({ at: operation.returnedAt, node: call.match });
  });
  nodes.sort((a, b) => a.at - b.at || Number(b.node.isCall) - Number(a.node.isCall) || a.node.operation.id - b.node.operation.id);
  const head: Node = {
    operation: operations[0] as Operation,
    bit: 0n,
    isCall: false,
    match: undefined,
    previous: undefined,
    next: undefined,
  };
  let last = head;
  for (const { node } of nodes) {
    last.next = node;
    node.previous = last;
    last = node;
  }
  return head;
}

function lift(call: Node): void {
  for (const node of call.match === undefined ? [call] : [call, call.match]) {
    if (node.previous !== undefined) node.previous.next = node.next;
    if (node.next !== undefined) node.next.previous = node.previous;
  }
}

function unlift(call: Node): void {
  for (const node of call.match === undefined ? [call] : [call.match, call]) {
    if (node.previous !== undefined) node.previous.next = node;
    if (node.next !== undefined) node.next.previous = node;
  }
}
