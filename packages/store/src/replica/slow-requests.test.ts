// Three replicas on a clock, disks and a network of the test's own: a fault makes one stage slow, and the log's line names that stage.
import { type LogFields, type Logger, SeededRandom, silentLogger } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { keyFromBytes } from "@lenj/mvcc";
import { MemoryBackend } from "@lenj/mvcc/testing";
import { etcdserverpb } from "@lenj/proto/etcd";
import { ConfChangeContext } from "@lenj/proto/raft";
import { bootstrapLog, type ConfChange, MemoryLog, type Message } from "@lenj/raft";
import { StateMachine } from "../core/state-machine.js";
import type { DurableBackend, DurableLog, PeerTransport } from "./ports.js";
import { Replica } from "./replica.js";
import { RequestTimes } from "./request-times.js";

const ids = [1n, 2n, 3n];
const members: ConfChange[] = ids.map((id) => ({
  transition: "auto",
  changes: [{ type: "addVoter", memberID: id }],
  context: ConfChangeContext.encode({
    requestId: 0n,
    member: { id, peerUrls: [`http://s${id}:2380`], name: `s${id}`, clientUrls: [], isLearner: false },
    promote: false,
    learnersMax: 0,
  }).finish(),
}));

class Backend extends MemoryBackend implements DurableBackend {
  readonly durableIndex = 0;
  isCongested = false;
  onDurable = (): void => {};
  onFailure = (): void => {};
  /** Ends what makes the backend congested. */
  drained: Promise<void> = Promise.resolve();

  setApplied(): void {}

  flush(): Promise<void> {
    return this.drained;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What blocks a process takes time without letting timers fire. */
class BlockableClock extends ManualClock {
  #blockedMs = 0;

  block(ms: number): void {
    this.#blockedMs += ms;
  }

  override monotonicMs(): number {
    return super.monotonicMs() + this.#blockedMs;
  }
}

class World {
  readonly clock = new BlockableClock();
  readonly lines: (LogFields & { readonly message: string; readonly level: string })[] = [];
  readonly backends = new Map<bigint, Backend>();
  readonly replicas = new Map<bigint, Replica>();
  readonly times = new Map<bigint, RequestTimes>();
  readonly paused = new Set<bigint>();
  readonly fsyncMs = new Map<bigint, number>();

  constructor() {
    for (const id of ids) this.#add(id);
    for (const replica of this.replicas.values()) replica.start();
  }

  #add(id: bigint): void {
    const { clock } = this;
    const note =
      (level: string) =>
      (message: string, fields?: LogFields): void =>
        void this.lines.push({ message, level, ...fields });
    const logger: Logger = { ...silentLogger, warn: note("warn"), info: note("info") };
    const times = new RequestTimes({ clock, logger, warnRequestMs: 300, warnApplyMs: 100 });
    const backend = new Backend();
    const { hardState, entries } = bootstrapLog(members);
    const log: DurableLog = {
      append: () => new Promise((resolve) => void clock.after(this.fsyncMs.get(id) ?? 1, resolve)),
      compactLater: () => {},
      close: () => Promise.resolve(),
    };
    const deliver = (message: Message): void => {
      if (this.paused.has(message.to) || this.paused.has(id)) return;
      this.replicas.get(message.to)?.step([message]);
    };
    const transport: PeerTransport = {
      setPeers: () => {},
      send: (messages) => {
        for (const message of messages) clock.after(1, () => deliver(message));
      },
      sendSnapshot: () => {},
      connectedForMs: () => undefined,
      close: () => Promise.resolve(),
    };
    const replica = new Replica(
      {
        ...{ memberID: id, clusterID: 9n, heartbeatMs: 100, electionTicks: 10 },
        ...{ snapshotCount: 10_000, catchUpEntries: 5_000, maxRequestBytes: 1_000_000 },
      },
      {
        ...{ clock, random: new SeededRandom(Number(id)), logger: silentLogger, backend, log, transport, times },
        nextTurn: (run) => void clock.after(0, run),
        state: new StateMachine({ backend }),
        memoryLog: new MemoryLog({ hardState, entries }),
        applied: { index: 0, term: 0 },
      },
    );
    this.backends.set(id, backend);
    this.replicas.set(id, replica);
    this.times.set(id, times);
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1) {
      this.clock.advance(1);
      // What was resolved goes on in microtasks, some of them several deep.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async leader(): Promise<Replica> {
    for (;;) {
      const found = [...this.replicas.values()].find(({ isLeader }) => isLeader);
      if (found !== undefined) return found;
      await this.pass(50);
    }
  }

  follower(leader: Replica): Replica {
    return [...this.replicas.values()].find((replica) => replica !== leader) as Replica;
  }

  slow(): (LogFields & { readonly message: string })[] {
    return this.lines.filter(({ message }) => message === "Slow request");
  }
}

const put = (key: string): { put: etcdserverpb.PutRequest } => ({
  put: etcdserverpb.PutRequest.fromPartial({ key: Buffer.from(key), value: Buffer.from("secret") }),
});

describe("the line about a slow request", () => {
  let world: World;
  let leader: Replica;

  beforeEach(async () => {
    world = new World();
    leader = await world.leader();
    await world.pass(200);
    const warmUp = leader.propose(put("warm"));
    await world.pass(50);
    await warmUp;
    world.lines.length = 0;
  });

  afterEach(() => expect(JSON.stringify(world.lines)).not.toContain("secret"));

  it("is not written for one that is fast", async () => {
    const answer = leader.propose(put("a"));
    await world.pass(50);
    await answer;
    expect(world.lines).toEqual([]);
  });

  it("names fsync when every disk is slow", async () => {
    for (const id of ids) world.fsyncMs.set(id, 400);
    const answer = leader.propose(put("a"));
    await world.pass(900);
    await answer;
    expect(world.slow()).toMatchObject([{ level: "warn", method: "Put", key: "a", sizeBytes: 7, slowest: "fsync", fsyncMs: 400 }]);
  });

  it("charges what waits behind the write before it to queue", async () => {
    for (const id of ids) world.fsyncMs.set(id, 400);
    const first = leader.propose(put("a"));
    await world.pass(10);
    const second = leader.propose(put("b"));
    await world.pass(1_500);
    await Promise.all([first, second]);
    const [, line] = world.slow();
    expect(line).toMatchObject({ key: "b" });
    expect(line?.["queueMs"]).toBeGreaterThan(350);
    expect(line?.["fsyncMs"]).toBeGreaterThan(350);
  });

  it("names raft when the followers are paused, and says that the request was given up when its time is over", async () => {
    for (const id of ids) if (id !== leader.config.memberID) world.paused.add(id);
    const answer = leader.propose(put("a"));
    await world.pass(250);
    world.paused.clear();
    await world.pass(300);
    await answer;
    const [line] = world.slow();
    expect(line).toMatchObject({ key: "a", slowest: "raft" });

    for (const id of ids) world.paused.add(id);
    const lost = leader.propose(put("b"));
    lost.catch(() => {});
    await world.pass(8_000);
    await expect(lost).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(world.slow().at(-1)).toMatchObject({ key: "b", slowest: "raft", outcome: "timeout" });
  });

  it("names raft at a follower whose leader does not answer, and queue while there is no leader", async () => {
    const follower = world.follower(leader);
    for (const id of ids) if (id !== follower.config.memberID) world.paused.add(id);
    const waiting = follower.propose(put("a"));
    waiting.catch(() => {});
    await world.pass(4_000);
    const leaderless = follower.propose(put("b"));
    leaderless.catch(() => {});
    await world.pass(8_000);
    expect(world.slow()).toMatchObject([
      { key: "a", slowest: "raft", outcome: "timeout" },
      { key: "b", slowest: "queue", outcome: "timeout" },
    ]);
  });

  it("names apply when the state's storage cannot keep up", async () => {
    const backend = world.backends.get(leader.config.memberID) as Backend;
    backend.isCongested = true;
    backend.drained = new Promise((resolve) => {
      world.clock.after(350, () => {
        backend.isCongested = false;
        resolve();
      });
    });
    const answer = leader.propose(put("a"));
    await world.pass(400);
    await answer;
    expect(world.slow()).toMatchObject([{ level: "warn", key: "a", slowest: "apply" }]);
  });

  it("names apply, and warns in upstream's words, when a command itself is slow", async () => {
    const { state } = leader;
    const apply = state.apply.bind(state);
    state.apply = (command, context) => {
      world.clock.block(350);
      return apply(command, context);
    };
    const answer = leader.propose(put("a"));
    await world.pass(50);
    await answer;
    expect(world.lines).toMatchObject([
      { message: "apply request took too long", method: "Put", key: "a", tookMs: 350, expectedMs: 100 },
      { message: "Slow request", key: "a", slowest: "apply", applyMs: 350 },
    ]);
    expect(world.times.get(leader.config.memberID)?.slowApplies).toBe(1);
  });

  it("names fanout when watchers take long", async () => {
    leader.watches.add({
      ...{ id: 1, range: { start: keyFromBytes(Buffer.from("a")), end: undefined }, startRevision: 0, skipPuts: false, skipDeletes: false },
      ...{ wantsPrevious: false, wantsProgress: false, wantsFragments: false },
      sink: { isWritable: () => true, sendEvents: () => world.clock.block(350), sendCompacted: () => {} },
    });
    const answer = leader.propose(put("a"));
    await world.pass(50);
    await answer;
    expect(world.slow()).toMatchObject([{ key: "a", slowest: "fanout", fanoutMs: 350 }]);
  });

  it("tells of a slow read whether the leader, this member's lag or reading was slow", () => {
    const times = world.times.get(1n) as RequestTimes;
    const request = etcdserverpb.RangeRequest.fromPartial({ key: Buffer.from("a\0"), rangeEnd: Buffer.from("b") });
    const at = { arrivedMs: 0, confirmedMs: 90, reachedMs: 95, doneMs: 99 };
    times.onRead(request, at);
    expect(world.lines).toEqual([]);
    times.onRead(request, { ...at, confirmedMs: 120, reachedMs: 121, doneMs: 122 });
    times.onRead(request, { ...at, reachedMs: 300, doneMs: 301 });
    // Confirmed for others before this one came: then nobody waited for that.
    times.onRead(request, { ...at, arrivedMs: 50, confirmedMs: 10, reachedMs: 50, doneMs: 350 });
    expect(world.lines).toMatchObject([
      { message: "apply request took too long", method: "Range", key: "a\\x00", rangeEnd: "b", slowest: "raft", raftMs: 120 },
      { slowest: "apply", applyMs: 210 },
      { slowest: "read", readMs: 300, raftMs: 0 },
    ]);
  });

  it("has stages that add up, and histograms that count every request once in each", async () => {
    for (const id of ids) world.fsyncMs.set(id, 130);
    const answers = ["a", "b", "c"].map((key) => leader.propose(put(key)));
    await world.pass(600);
    await Promise.all(answers);
    for (const line of world.slow()) {
      const sum = ["queue", "fsync", "raft", "apply", "fanout", "answer"].reduce((total, stage) => total + Number(line[`${stage}Ms`]), 0);
      expect(sum).toBeCloseTo(Number(line["tookMs"]), 0);
    }
    const times = world.times.get(leader.config.memberID) as RequestTimes;
    for (const { counts } of Object.values(times.writes)) expect(counts.reduce((total, count) => total + count)).toBe(4);
    expect(times.writes.fsync.counts[times.writes.fsync.bounds.findIndex((boundMs) => boundMs >= 130)]).toBe(3);
  });

  it("stays away after so many in a second, which the next one says", async () => {
    for (const id of ids) world.fsyncMs.set(id, 130);
    const answers = Array.from({ length: 50 }, (_unused, number) => leader.propose(put(`k${number}`)));
    await world.pass(300);
    await Promise.all(answers);
    expect(world.slow()).toHaveLength(20);
    await world.pass(1_000);
    const last = leader.propose(put("last"));
    await world.pass(300);
    await last;
    expect(world.slow().at(-1)).toMatchObject({ key: "last", linesLeftOut: 30 });
  });
});
