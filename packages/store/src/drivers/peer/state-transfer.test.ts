// Sender and receiver of whole states over a link that breaks where the test says.
import { SeededRandom, silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import type { SnapshotChunk, SnapshotReply, StateName } from "@lenj/proto/raft";
import type { SnapMessage } from "@lenj/raft";
import fc from "fast-check";
import { memoryDatabase } from "../../testing/memory-database.js";
import { LevelBackend } from "../level/level-backend.js";
import type { PartialStates } from "./incoming-state.js";
import { PeerCounts } from "./peer-counts.js";
import type { StateChannel } from "./state-channel.js";
import { StateReceiver } from "./state-receiver.js";
import { StateSender } from "./state-sender.js";

type Rows = Map<string, Uint8Array>;

const [sender, receiver, clusterID] = [1n, 2n, 7n];
const bytes = (text: string): Buffer => Buffer.from(text);

class MemoryPartials implements PartialStates {
  readonly #states = new Map<string, { readonly name: StateName; readonly rows: Rows }>();
  completed: Rows | undefined;

  list(): StateName[] {
    return [...this.#states.values()].map(({ name }) => name);
  }

  rowsOf(name: StateName): Rows {
    return this.#states.get(keyOf(name))?.rows ?? new Map<string, Uint8Array>();
  }

  open(name: StateName): ReturnType<PartialStates["open"]> {
    const found = this.#states.get(keyOf(name)) ?? { name, rows: new Map<string, Uint8Array>() };
    this.#states.set(keyOf(name), found);
    return Promise.resolve(memoryDatabase(found.rows));
  }

  drop(name: StateName): void {
    this.#states.delete(keyOf(name));
  }

  complete(name: StateName): void {
    this.completed = this.rowsOf(name);
    this.drop(name);
  }
}

const keyOf = ({ from, id, index, term }: StateName): string => `${from}/${id}/${index}/${term}`;

/** Breaks instead of carrying data chunk number `breakAt`, counted from 0. */
class TestChannel implements StateChannel {
  readonly #chunks: SnapshotChunk[] = [];
  readonly #replies: SnapshotReply[] = [];
  readonly done: Promise<void>;
  #isOver = false;
  #hasEnded = false;
  #wakers: (() => void)[] = [];
  data = 0;

  constructor(
    target: StateReceiver,
    readonly breakAt: number,
  ) {
    this.done = target
      .receive(this.#incoming(), (reply) => {
        this.#replies.push(reply);
        this.#wake();
      })
      .catch(() => this.cancel());
  }

  async write(chunk: SnapshotChunk): Promise<void> {
    if (chunk.chunk?.$case === "data" && this.data++ === this.breakAt) this.cancel();
    if (!this.#isOver) this.#chunks.push(chunk);
    this.#wake();
    while (this.#chunks.length > 0 && !this.#isOver) await this.#something();
    if (this.#isOver) throw new Error("broken");
  }

  async reply(): Promise<SnapshotReply> {
    for (;;) {
      const next = this.#replies.shift();
      if (next !== undefined) return next;
      if (this.#isOver) throw new Error("broken");
      await this.#something();
    }
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  cancel(): void {
    this.#isOver = true;
    this.#wake();
  }

  async *#incoming(): AsyncGenerator<SnapshotChunk, void, undefined> {
    for (;;) {
      const next = this.#chunks.shift();
      this.#wake();
      if (next !== undefined) yield next;
      else if (this.#isOver || this.#hasEnded) return;
      else await this.#something();
    }
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }

  #something(): Promise<void> {
    return new Promise((resolve) => void this.#wakers.push(resolve));
  }
}

async function createWorld(rowCount: number) {
  const clock = new ManualClock();
  const rows: Rows = new Map();
  const backend = await LevelBackend.open(memoryDatabase(rows), clock);
  const put = (number: number, value: string): void => backend.put("key", bytes(String(number).padStart(8, "0")), bytes(value));
  for (let number = 0; number < rowCount; number += 1) put(number, `value ${number}`);
  backend.setApplied(100, 3);
  await backend.flush();
  const counts = { sender: new PeerCounts(), receiver: new PeerCounts() };
  const partials = new MemoryPartials();
  const world = { clock, backend, put, partials, counts, appliedIndex: 0, logBegin: 0, replaced: 0 };
  const signal = new AbortController().signal;
  const createReceiver = (): StateReceiver =>
    new StateReceiver({
      ...{ clusterID, partials, clock, signal, logger: silentLogger, counts: counts.receiver },
      appliedIndex: () => world.appliedIndex,
      isOutOfService: () => false,
      replaceState: () => {
        world.replaced += 1;
        return Promise.resolve();
      },
    });
  let onSent = (_ok: boolean): void => {};
  const createSender = (seed: number): StateSender =>
    new StateSender({
      ...{ clusterID, memberID: sender, backend, clock, logger: silentLogger, counts: counts.sender, random: new SeededRandom(seed) },
      logBegin: () => world.logBegin,
      onSent: (_id, ok) => onSent(ok),
    });
  const parts = { sender: createSender(1), receiver: createReceiver() };
  const transfer = async (breakAt = Number.POSITIVE_INFINITY): Promise<boolean> => {
    let channel: TestChannel | undefined;
    const ok = await new Promise<boolean>((resolve) => {
      onSent = resolve;
      parts.sender.send(snapMessage, () => (channel = new TestChannel(parts.receiver, breakAt)));
    });
    await channel?.done;
    return ok;
  };
  const expected = async (): Promise<Map<string, string>> => {
    const all = new Map<string, string>();
    for await (const chunk of backend.allRows()) for (const [key, value] of chunk) all.set(key.toString("latin1"), value.toString());
    return all;
  };
  const arrived = async (): Promise<Map<string, string>> => {
    const all = new Map<string, string>();
    const database = memoryDatabase(partials.completed ?? new Map<string, Uint8Array>());
    for await (const chunk of database.rows(new Uint8Array(0), Uint8Array.of(0xff)))
      for (const [key, value] of chunk) all.set(key.toString("latin1"), value.toString());
    return all;
  };
  return Object.assign(world, { parts, createReceiver, createSender, transfer, expected, arrived });
}

const confState = { voters: [sender, receiver], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
const snapMessage: SnapMessage = {
  ...{ type: "snap", from: sender, to: receiver, term: 3 },
  snapshot: { metadata: { index: 90, term: 3, confState }, data: new Uint8Array(0) },
};

describe("a state sent to another member", () => {
  it("arrives whole and with no byte twice, wherever the link breaks and whoever of the receiver's process survives", async () => {
    const breaks = fc.array(fc.record({ at: fc.nat(6), restarts: fc.boolean() }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 6_000 }), breaks, async (rowCount, all) => {
        const world = await createWorld(rowCount);
        const expected = await world.expected();
        let isDone = false;
        for (const { at, restarts } of all) {
          isDone = await world.transfer(at);
          if (isDone) break;
          if (restarts) world.parts.receiver = world.createReceiver();
          // What is written meanwhile is no part of the state that is under way.
          world.put(rowCount + 1, "later");
          await world.backend.flush();
        }
        if (!isDone) expect(await world.transfer()).toBe(true);
        expect(world.replaced).toBe(1);
        const arrived = await world.arrived();
        expect(arrived).toEqual(expected);
        const { bytes: received } = world.counts.receiver.of(sender).snapshotsReceived;
        const sizeBytes = [...arrived].reduce((sum, [key, value]) => sum + 8 + key.length + Buffer.byteLength(value, "latin1"), 0);
        expect(received).toBe(sizeBytes);
        expect(world.partials.list()).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it("starts over when the sender was restarted, and drops what was there", async () => {
    const world = await createWorld(4_000);
    expect(await world.transfer(2)).toBe(false);
    expect(world.partials.list()).toHaveLength(1);
    world.parts.sender = world.createSender(2);
    expect(await world.transfer()).toBe(true);
    expect(world.counts.sender.of(receiver).snapshotsSent.resumed).toBe(0);
    expect(await world.arrived()).toEqual(await world.expected());
    expect(world.partials.list()).toEqual([]);
  });

  it("starts over when a batch in the middle is missing from the receiver's disk", async () => {
    const world = await createWorld(4_000);
    expect(await world.transfer(3)).toBe(false);
    const rows = world.partials.rowsOf(world.partials.list()[0] as StateName);
    for (const name of [...rows.keys()].slice(1_000, 2_000)) rows.delete(name);
    expect(await world.transfer()).toBe(true);
    expect(world.counts.sender.of(receiver).snapshotsSent.resumed).toBe(0);
    expect(await world.arrived()).toEqual(await world.expected());
  });

  it("starts over when a row on the receiver's disk is damaged", async () => {
    const world = await createWorld(4_000);
    expect(await world.transfer(3)).toBe(false);
    const rows = world.partials.rowsOf(world.partials.list()[0] as StateName);
    const [name, value] = [...rows][1_500] as [string, Uint8Array];
    rows.set(
      name,
      value.map((byte, at) => (at === 0 ? byte ^ 1 : byte)),
    );
    expect(await world.transfer()).toBe(true);
    expect(await world.arrived()).toEqual(await world.expected());
  });

  it("starts over when the log was cut past it, and when it was kept too long", async () => {
    for (const outdate of [
      (world: { logBegin: number }) => (world.logBegin = 101),
      (world: { clock: ManualClock }) => world.clock.advance(121_000),
    ]) {
      const world = await createWorld(4_000);
      expect(await world.transfer(2)).toBe(false);
      outdate(world);
      expect(await world.transfer()).toBe(true);
      expect(world.counts.sender.of(receiver).snapshotsSent.resumed).toBe(0);
      expect(await world.arrived()).toEqual(await world.expected());
    }
  });

  it("is not sent to a member that is as far already", async () => {
    const world = await createWorld(10);
    world.appliedIndex = 100;
    expect(await world.transfer()).toBe(true);
    expect(world.replaced).toBe(0);
    expect(world.partials.completed).toBeUndefined();
  });

  it("does not stay in parts for ever on a receiver that hears no more of it", async () => {
    const world = await createWorld(4_000);
    expect(await world.transfer(2)).toBe(false);
    world.parts.receiver = world.createReceiver();
    world.clock.advance(600_000);
    expect(world.partials.list()).toEqual([]);
  });

  it("waits while two others are under way", async () => {
    const world = await createWorld(10);
    const begun: bigint[] = [];
    let breakSecond = (_error: Error): void => {};
    const idle = (id: bigint) => (): StateChannel => {
      begun.push(id);
      const reply = new Promise<never>((_resolve, reject) => {
        if (id === 11n) breakSecond = reject;
      });
      return { write: () => Promise.resolve(), reply: () => reply, end: () => {}, cancel: () => {} };
    };
    const turns = async (count: number): Promise<void> => {
      for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    for (const id of [10n, 11n, 12n]) world.parts.sender.send({ ...snapMessage, to: id }, idle(id));
    await turns(20);
    expect(begun).toEqual([10n, 11n]);
    breakSecond(new Error("broken"));
    await turns(20);
    expect(begun).toEqual([10n, 11n, 12n]);
    expect(world.counts.sender.of(11n).snapshotsSent.failed).toBe(1);
  });
});
