// How often a run came to what seldom happens: told by what the stores log, so that they need not count for the simulator.
import type { LogFields, Logger } from "@lenj/base";

const figures = {
  "Found data inconsistency between members": "namedByHash",
  "Quarantined: this member's data is damaged. It serves nobody until it has the leader's state": "quarantines",
  "Resuming the leader's state": "refillsResumed",
  "Received the leader's state": "refillsReceived",
  "Back from quarantine": "refillsOver",
  "Resuming snapshot": "snapshotsResumed",
  "Snapshot starts over: the log has been cut past it": "heldCutPast",
  "Snapshot starts over: another state is sent now": "partialsOfOtherStates",
  "Snapshot starts over: what was there of it is not what the sender has": "partialsNotTheSenders",
  "Snapshot is not needed": "snapshotsNotNeeded",
} as const;

export type Figure = (typeof figures)[keyof typeof figures];

const figureOf: Readonly<Record<string, Figure>> = figures;

export class Coverage {
  readonly #counts = new Map<Figure, number>();

  /** For one member; what it logs goes to `trace`, too. */
  logger(trace: (line: string) => void): Logger {
    const note = (message: string, fields?: LogFields): void => {
      const figure = figureOf[message];
      if (figure !== undefined) this.#counts.set(figure, (this.#counts.get(figure) ?? 0) + 1);
      trace(`${message} ${typeof fields?.["member"] === "string" ? fields["member"] : ""}`);
    };
    const logger: Logger = { error: note, warn: note, info: note, debug: () => {}, isDebugEnabled: false, child: () => logger };
    return logger;
  }

  get figures(): Readonly<Partial<Record<Figure, number>>> {
    return Object.fromEntries(this.#counts);
  }
}
