import type { Snapshot, SnapshotMetadata } from "@lenj/raft";

/** A command as it travels in the log. `expected` makes it a compare-and-set; undefined stands for a missing key. */
export type Command =
  | { readonly id: number; readonly kind: "put"; readonly key: string; readonly value: number }
  | { readonly id: number; readonly kind: "cas"; readonly key: string; readonly value: number; readonly expected: number | undefined };

/** `before`: the value that the command found. */
export interface CommandResult {
  readonly tookEffect: boolean;
  readonly before: number | undefined;
}

/** State machine at an index, as stored and as shipped to members that fell behind. */
export interface Checkpoint {
  readonly metadata: SnapshotMetadata;
  readonly data: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const encodeCommand = (command: Command): Uint8Array => encoder.encode(JSON.stringify(command));
export const decodeCommand = (data: Uint8Array): Command => JSON.parse(decoder.decode(data)) as Command;

/** Numbers by key. Deterministic: equal commands give equal states. */
export class KeyValueMachine {
  readonly #values = new Map<string, number>();

  apply(command: Command): CommandResult {
    const before = this.#values.get(command.key);
    const tookEffect = command.kind === "put" || before === command.expected;
    if (tookEffect) this.#values.set(command.key, command.value);
    return { tookEffect, before };
  }

  get(key: string): number | undefined {
    return this.#values.get(key);
  }

  encode(): Uint8Array {
    return encoder.encode(this.describe());
  }

  /** Canonical text of the state. */
  describe(): string {
    return JSON.stringify([...this.#values].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  restore(snapshot: Pick<Snapshot, "data">): void {
    this.#values.clear();
    for (const [key, value] of JSON.parse(decoder.decode(snapshot.data)) as [string, number][]) this.#values.set(key, value);
  }
}
