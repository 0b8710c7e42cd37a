// What this member is asked to have written: from the request until it is known what came of it.
//
// Owns:  requests that wait, their numbers, their deadline.
// Not:   applying (who applies an entry takes its request by the number), turns (the replica).
// P1. A request ends once: with what came of applying it here, with what spoke against it, or with TIMEOUT; its outcome is then unknown.
// P2. One that is refused is in nobody's log, so that a client may ask another member.
import type { Clock, Random } from "@lenj/base";
import { ConfChangeContext } from "@lenj/proto/raft";
import type { ConfChange, RaftNode } from "@lenj/raft";
import type { Answer } from "../core/answers.js";
import { type Command, encodeCommand } from "../core/command.js";
import { StoreError } from "../core/errors.js";
import { type Pending, PendingRequests } from "./pending-requests.js";
import type { RequestTimes } from "./request-times.js";
import { UnsentRequests } from "./unsent-requests.js";

/** Bytes of requests that wait for their entries past which further ones are refused: without a leader, nothing takes them away. */
const pendingBytesMax = 256 * 1024 * 1024;

export interface ProposalsParts {
  readonly memberID: bigint;
  readonly maxRequestBytes: number;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly node: () => RaftNode;
  readonly clock: Clock;
  readonly random: Random;
  readonly times: RequestTimes | undefined;
  /** Why nothing is proposed now. */
  readonly refusal: () => StoreError | undefined;
  /** The core has taken something. Returns when the turn that handles its output was asked for. */
  readonly onProposed: () => number;
  /** The same for all requests of a turn: looking at the clock for each would show. */
  readonly nowRoughly: () => number;
}

export class Proposals {
  /** After which the outcome is unknown: 5 s and two election timeouts, as upstream. */
  readonly timeoutMs: number;
  /** Requests whose outcome nobody could be told. */
  failedCount = 0;
  readonly #pending: PendingRequests;
  readonly #unsent: UnsentRequests;
  #isClosed = false;

  constructor(private readonly parts: ProposalsParts) {
    const { clock, random, heartbeatMs, electionMs } = parts;
    this.timeoutMs = 5_000 + 2 * electionMs;
    this.#pending = new PendingRequests(random.below(2 ** 47));
    this.#unsent = new UnsentRequests(clock, heartbeatMs / 2, (number, data) => this.#sendData(number, data));
  }

  /** Requests that wait for their entry to be applied. */
  get count(): number {
    return this.#pending.size;
  }

  /** Runs a command through the log; resolves with what came of applying it here. Rejects with StoreError. */
  propose(command: Command): Promise<Answer> {
    const { memberID, maxRequestBytes } = this.parts;
    return this.#answerTo(command, (number) => {
      const data = encodeCommand(memberID, number, command);
      if (data.length > maxRequestBytes) this.take(number)?.reject(new StoreError("REQUEST_TOO_LARGE"));
      else if (!this.#pending.weigh(number, data.length, pendingBytesMax)) this.take(number)?.reject(new StoreError("TOO_MANY_REQUESTS"));
      else this.#unsent.send(number, data);
    });
  }

  /** Runs a membership change through the log; resolves when it is applied here. Rejects with what spoke against it then, or TIMEOUT. */
  proposeMembership(changes: ConfChange["changes"], context: Omit<ConfChangeContext, "requestId">): Promise<Answer> {
    return this.#answerTo({}, (number) => {
      const requestId = BigInt(number) ^ this.parts.memberID;
      this.#sendChange(number, { transition: "auto", changes, context: ConfChangeContext.encode({ ...context, requestId }).finish() });
    });
  }

  /** Who leads is known, newly or again: what could not be sent goes there. */
  onLeaderKnown(): void {
    this.#unsent.retry();
  }

  /** Whose membership change it was. */
  takeMembership({ requestId }: ConfChangeContext): Pending | undefined {
    return this.take(Number(requestId ^ this.parts.memberID));
  }

  /** The request of that number, which is then the caller's to answer. */
  take(number: number): Pending | undefined {
    return this.#pending.take(number);
  }

  endOverdue(): void {
    const nowMs = this.parts.clock.monotonicMs();
    for (const pending of this.#pending.takeOlder(nowMs - this.timeoutMs)) {
      this.failedCount += 1;
      this.parts.times?.onTimeout(pending, nowMs);
      pending.reject(new StoreError("TIMEOUT"));
    }
  }

  close(error: Error): void {
    this.#isClosed = true;
    this.#unsent.close();
    this.#pending.failAll(error);
  }

  /** What comes of a request that `send` proposes under the number that it is given. */
  #answerTo(command: Command, send: (number: number) => void): Promise<Answer> {
    const refusal = this.parts.refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const arrivedMs = this.parts.nowRoughly();
      send(this.#pending.add({ command, arrivedMs, proposedMs: 0, isForwarded: false, sizeBytes: 0, resolve, reject }));
    });
  }

  /** False: nothing was sent, so asking again is safe; the request's own deadline ends it. */
  #sendData(number: number, data: Uint8Array): boolean {
    const pending = this.#pending.get(number);
    if (this.#isClosed || pending === undefined) return true;
    const outcome = this.parts.node().propose(data);
    switch (outcome) {
      case "appended":
      case "forwarded":
        this.#onProposed(pending, outcome === "forwarded");
        return true;
      case "tooManyUncommitted":
        this.take(number)?.reject(new StoreError("TOO_MANY_REQUESTS"));
        return true;
      case "noLeader":
      case "transferringLeadership":
      case "notMember":
        return false;
      case "confChangeRefused":
        throw new StoreError("DATA_DAMAGED", "a plain proposal was refused as a membership change");
    }
  }

  /**
   * Nothing is sent while there is no leader or another change is under way, so asking again is safe; the request's own deadline ends it.
   * One that was sent on to a leader that is gone, or busy with another, is lost without a word: it is sent again. Applied twice it
   * changes nothing the second time; but for an update, which is not repeated.
   */
  #sendChange(number: number, change: ConfChange): void {
    const pending = this.#pending.get(number);
    if (this.#isClosed || pending === undefined) return;
    const { clock, electionMs, heartbeatMs } = this.parts;
    const outcome = this.parts.node().proposeConfChange(change);
    const isSent = outcome === "appended" || outcome === "forwarded";
    if (isSent) this.#onProposed(pending, outcome === "forwarded");
    if (outcome === "appended" || (isSent && change.changes[0]?.type === "update")) return;
    clock.after(isSent ? electionMs : heartbeatMs / 2, () => this.#sendChange(number, change));
  }

  #onProposed(pending: Pending, isForwarded: boolean): void {
    pending.proposedMs = this.parts.onProposed();
    pending.isForwarded = isForwarded;
  }
}
