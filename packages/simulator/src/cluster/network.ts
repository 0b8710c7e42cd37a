import type { MemberID, Message } from "@lenj/raft";
import type { EventLoop } from "../world/event-loop.js";

export interface LinkOptions {
  readonly lossPerMille: number;
  readonly duplicatePerMille: number;
  readonly delayMs: readonly [number, number];
  /** Share of messages that take `delayMs` a hundred times over. */
  readonly stragglerPerMille: number;
}

/**
 * The links between members: each message may be lost, doubled, delayed and overtaken; links can be cut in one direction.
 * Forwarded proposals are not doubled: transports in use run over streams, and the state machine does not weed out repeats.
 */
export class Network {
  readonly #cut = new Set<string>();
  lossPerMille: number;
  /** No more faults. */
  isCalm = false;

  constructor(
    readonly loop: EventLoop,
    readonly options: LinkOptions,
    /** Hands a message to its addressee; false when it is down. */
    readonly deliver: (message: Message) => boolean,
  ) {
    this.lossPerMille = options.lossPerMille;
  }

  isCut(from: MemberID, to: MemberID): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  /** `onOutcome` tells, where the transport would know, whether the message arrived. */
  send(message: Message, onOutcome?: (arrived: boolean) => void): void {
    this.#sendOne(message, onOutcome);
    if (message.type !== "prop" && this.loop.chance(this.options.duplicatePerMille)) this.#sendOne(message);
  }

  cut(from: MemberID, to: MemberID): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
    this.lossPerMille = this.options.lossPerMille;
  }

  calm(): void {
    this.isCalm = true;
    this.#cut.clear();
    this.lossPerMille = 0;
  }

  #sendOne(message: Message, onOutcome?: (arrived: boolean) => void): void {
    const [low, high] = this.options.delayMs;
    const isStraggler = this.loop.chance(this.options.stragglerPerMille);
    const delayMs = this.loop.between(low, high) * (isStraggler ? 100 : 1);
    const isLost = this.loop.chance(this.lossPerMille);
    this.loop.after(delayMs, () => {
      const arrived = !isLost && !this.#cut.has(`${message.from}>${message.to}`) && this.deliver(message);
      if (onOutcome !== undefined) this.loop.after(low, () => onOutcome(arrived));
    });
  }
}
