// A client of the key-value service: one call at a time, at a random member, and a record of what it was told.
import { etcdserverpb } from "@lenj/proto/etcd";
import type { Operation } from "../../checkers/linearizability.js";
import { Violation } from "../../world/violation.js";
import type { Answer, ClientOperation, Request } from "../checkers/client-operation.js";
import { describePair, text } from "../checkers/reference-store.js";
import { pairOf } from "../checkers/watch-record.js";
import type { StoreMember } from "../store-member.js";
import { callUnary, type Result } from "./connection.js";
import { drawRequest, type RegisterUse } from "./requests.js";
import type { Session } from "./session.js";

const timeoutMs = 3_000;

const paths: Readonly<Record<Request["kind"], string>> = {
  range: "/etcdserverpb.KV/Range",
  put: "/etcdserverpb.KV/Put",
  deleteRange: "/etcdserverpb.KV/DeleteRange",
  txn: "/etcdserverpb.KV/Txn",
  compact: "/etcdserverpb.KV/Compact",
  leaseGrant: "/etcdserverpb.Lease/LeaseGrant",
  leaseRevoke: "/etcdserverpb.Lease/LeaseRevoke",
};

export class KvClient {
  readonly operations: ClientOperation[] = [];
  /** Uses of single keys, for the checker that knows nothing of revisions. */
  readonly registerHistory: Operation[] = [];
  readonly #lastSeen = new Map<string, number | undefined>();
  readonly #sessions = new Map<string, number>();
  #isStopped = false;

  constructor(
    readonly session: Session,
    readonly client: number,
  ) {}

  start(thinkMs: number): void {
    const { loop, cluster } = this.session;
    loop.after(loop.between(1, 2 * thinkMs), () => {
      if (this.#isStopped) return;
      const id = this.session.nextID();
      const drawn = drawRequest(this.session, id, (key) => this.#lastSeen.get(key));
      this.#use(id, loop.pick(cluster.running()), drawn, () => this.start(thinkMs));
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Makes one call; `onOver` runs once, when it was answered or given up. */
  call(member: StoreMember | undefined, request: Request, onOver: (answer: Answer | undefined) => void, id = this.session.nextID()): void {
    const { loop, observer, told } = this.session;
    if (member === undefined) {
      loop.after(100, () => onOver(undefined));
      return;
    }
    const session = `${member.id} ${member.boots}`;
    const operation: ClientOperation = {
      id,
      client: this.client,
      request,
      calledMs: loop.nowMs,
      floor: { ...told },
      sessionRevision: this.#sessions.get(session) ?? 0,
    };
    this.operations.push(operation);
    observer.expect(request.value, operation);
    let isOver = false;
    const conclude = (answer: Answer | undefined): void => {
      if (isOver) return;
      isOver = true;
      // Left without an answer, it says nothing that the client may count on.
      if (answer !== undefined) this.#onAnswer(operation, session, answer);
      onOver(answer);
    };
    callUnary(member, paths[request.kind], request.value, (result) => conclude(answerOf(request, result)));
    loop.after(timeoutMs, () => conclude(undefined));
  }

  #use(id: number, member: StoreMember | undefined, drawn: { request: Request; register?: RegisterUse }, next: () => void): void {
    const { request, register } = drawn;
    const operation: Operation | undefined =
      register === undefined ? undefined : { ...register, id, client: this.client, calledAt: this.session.loop.nowMs };
    if (operation !== undefined && member !== undefined) this.registerHistory.push(operation);
    this.call(
      member,
      request,
      (answer) => {
        if (operation !== undefined && answer !== undefined) this.#onRegister(operation, answer);
        next();
      },
      id,
    );
  }

  #onAnswer(operation: ClientOperation, session: string, answer: Answer): void {
    const { loop, observer, told } = this.session;
    operation.answer = answer;
    operation.returnedMs = loop.nowMs;
    loop.trace(`client ${this.client} ${operation.request.kind} ${"error" in answer ? answer.error : `${answer.revision} ${answer.text}`}`);
    if ("error" in answer) return;
    const { request } = operation;
    const isCurrent = request.kind !== "range" || !request.value.serializable;
    const floor = isCurrent ? Math.max(operation.floor.revision, operation.sessionRevision) : operation.sessionRevision;
    if (answer.revision < floor) {
      const rule = isCurrent ? "Linearizability" : "Session";
      observer.report(
        new Violation(
          rule,
          `operation ${operation.id} (${request.kind}) at ${session} shows revision ${answer.revision} after ${floor} was told`,
        ),
      );
    }
    this.#sessions.set(session, Math.max(answer.revision, this.#sessions.get(session) ?? 0));
    if (isCurrent) told.revision = Math.max(told.revision, answer.revision);
    if (request.kind === "compact") told.compactRevision = Math.max(told.compactRevision, request.value.revision);
  }

  #onRegister(operation: Operation, answer: Answer): void {
    if ("error" in answer) {
      // Refused before anything was done: as if it had not been called.
      if (answer.error === "NOT_SENT" || answer.error === "NOT_SUPPORTED_FOR_LEARNER") {
        const at = this.registerHistory.indexOf(operation);
        this.registerHistory.splice(at, 1);
      }
      return;
    }
    operation.returnedAt = this.session.loop.nowMs;
    const seen = /=(\d+)@/.exec(answer.text)?.[1];
    operation.tookEffect = operation.kind === "put" || (operation.kind === "cas" && answer.text.startsWith("true"));
    operation.seen = operation.kind === "cas" && operation.tookEffect ? operation.expected : seen === undefined ? undefined : Number(seen);
    this.#lastSeen.set(operation.key, operation.tookEffect ? operation.value : operation.seen);
  }
}

/** In the words of the reference store. */
function answerOf(request: Request, result: Result): Answer {
  if ("error" in result) return result;
  const { value } = result;
  switch (request.kind) {
    case "range": {
      const answer = etcdserverpb.RangeResponse.decode(value as Buffer);
      return { revision: answer.header?.revision ?? 0, text: describeRange(answer) };
    }
    case "put": {
      const answer = etcdserverpb.PutResponse.decode(value as Buffer);
      return { revision: answer.header?.revision ?? 0, text: describePut(answer) };
    }
    case "deleteRange": {
      const answer = etcdserverpb.DeleteRangeResponse.decode(value as Buffer);
      return { revision: answer.header?.revision ?? 0, text: describeDelete(answer) };
    }
    case "txn": {
      const answer = etcdserverpb.TxnResponse.decode(value as Buffer);
      return { revision: answer.header?.revision ?? 0, text: `${answer.succeeded} ${answer.responses.map(describeOp).join(";")}` };
    }
    case "compact":
    case "leaseRevoke":
      return { revision: (value as etcdserverpb.CompactionResponse).header?.revision ?? 0, text: "" };
    case "leaseGrant": {
      const { header, ID } = value as etcdserverpb.LeaseGrantResponse;
      return { revision: header?.revision ?? 0, text: `lease ${ID}` };
    }
  }
}

const describeRange = ({ kvs, count }: etcdserverpb.RangeResponse): string =>
  `${kvs.map((kv) => describePair(pairOf(kv))).join(",")} of ${count}`;
const describePut = ({ prevKv }: etcdserverpb.PutResponse): string => `put ${prevKv === undefined ? "" : describePair(pairOf(prevKv))}`;
const describeDelete = ({ deleted, prevKvs }: etcdserverpb.DeleteRangeResponse): string =>
  `deleted ${deleted} ${prevKvs.map((kv) => describePair(pairOf(kv))).join(",")}`;

function describeOp({ response }: etcdserverpb.ResponseOp): string {
  switch (response?.$case) {
    case "responseRange":
      return describeRange(response.value);
    case "responsePut":
      return describePut(response.value);
    case "responseDeleteRange":
      return describeDelete(response.value);
    default:
      return text(Buffer.alloc(0));
  }
}
