import type { Operation } from "../checkers/linearizability.js";
import type { Cluster } from "../cluster/cluster.js";
import type { EventLoop } from "../world/event-loop.js";

const timeoutMs = 3_000;

export interface ClientOptions {
  readonly client: number;
  readonly keys: number;
  readonly thinkMs: number;
}

/** One client: one operation at a time, at a random member, and a record of what it saw. */
export class Client {
  readonly history: Operation[] = [];
  /** By key; what a compare-and-set expects. */
  readonly #lastSeen = new Map<string, number | undefined>();
  #isStopped = false;

  constructor(
    readonly loop: EventLoop,
    readonly cluster: Cluster,
    readonly options: ClientOptions,
    readonly nextID: () => number,
  ) {}

  start(): void {
    this.#think();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #think(): void {
    this.loop.after(this.loop.between(1, 2 * this.options.thinkMs), () => {
      if (!this.#isStopped) this.#operate();
    });
  }

  #operate(): void {
    const { loop } = this;
    const member = loop.pick(this.cluster.members);
    const id = this.nextID();
    const key = `k${loop.random.below(this.options.keys)}`;
    const kind = loop.pick(["get", "get", "put", "put", "cas"] as const);
    const operation: Operation = {
      id,
      client: this.options.client,
      key,
      kind,
      value: kind === "get" ? undefined : id,
      expected: this.#lastSeen.get(key),
      calledAt: loop.nowMs,
    };
    let isOver = false;
    const conclude = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.#think();
      return true;
    };
    const onDone = (found: number | undefined, tookEffect: boolean): void => {
      // An answer after the client gave up says nothing that it may count on.
      if (!conclude()) return;
      operation.returnedAt = loop.nowMs;
      operation.tookEffect = tookEffect;
      operation.seen = found;
      this.#lastSeen.set(key, tookEffect ? id : found);
      loop.trace(`client ${this.options.client} ${kind} ${key} found ${found} ${tookEffect}`);
    };
    const isTaken =
      kind === "get"
        ? member.read(id, key, (found) => onDone(found, false))
        : member.propose(
            kind === "put" ? { id, kind, key, value: id } : { id, kind, key, value: id, expected: operation.expected },
            (result) => onDone(result.before, result.tookEffect),
          );
    if (isTaken) {
      this.history.push(operation);
      loop.after(timeoutMs, conclude);
    } else {
      conclude();
    }
  }
}
