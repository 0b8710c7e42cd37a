// What the Raft paper and thesis ask for, section by section, as the smallest situation that shows each rule. Longer stories are told by the
// scripts in testdata/.

import { SeededRandom } from "@lenj/base";
import { MemoryLog } from "../log/memory-log.js";
import { TestCluster, type TestClusterOptions } from "../testing/test-cluster.js";
import type { Entry, MemberID, Message, MessageType } from "../types.js";
import { RaftNode } from "./raft-node.js";

const [a, b, c, d, e] = [1n, 2n, 3n, 4n, 5n];
const three = [a, b, c];

const logOf = (...terms: number[]): Entry[] => terms.map((term, i) => ({ term, index: i + 1, type: "normal", data: new Uint8Array(0) }));
const bytes = (count: number): Uint8Array => new Uint8Array(count);

function cluster(options: Partial<TestClusterOptions> = {}): TestCluster {
  return new TestCluster({ voters: three, ...options });
}

/** With member 1 leading and everything delivered. */
function led(options: Partial<TestClusterOptions> = {}): TestCluster {
  const world = cluster(options);
  world.member(a).act((node) => node.campaign());
  world.settle();
  return world;
}

const status = (world: TestCluster, id: MemberID): ReturnType<RaftNode["status"]> => world.member(id).node.status();
const propose = (world: TestCluster, id: MemberID, size = 1): void => world.member(id).act((node) => node.propose(bytes(size)));
const typesFrom = (world: TestCluster, id: MemberID): MessageType[] =>
  world.inTransit.filter(({ from }) => from === id).map(({ type }) => type);
const isType =
  (...types: MessageType[]) =>
  ({ type }: Message): boolean =>
    types.includes(type);
const noPreVote = { preVote: false, checkQuorum: false } as const;

describe("§5.1 Raft basics", () => {
  it("a member that hears of a newer term becomes a follower in it", () => {
    const world = led();
    world.member(a).act((node) => node.step({ type: "heartbeatResp", from: b, to: a, term: 7, round: 0 }));
    expect(status(world, a)).toMatchObject({ role: "follower", term: 7, vote: 0n });
  });

  it("a message of an older term changes nothing", () => {
    const world = led({ terms: new Map(three.map((id) => [id, 4])) });
    const before = status(world, b);
    world
      .member(b)
      .act((node) => node.step({ type: "app", from: c, to: b, term: 4, index: 0, logTerm: 0, entries: logOf(4, 4), commit: 2 }));
    expect(status(world, b)).toEqual(before);
  });
});

describe("§5.2 Leader election", () => {
  it("a member starts as a follower and waits for at least an election timeout", () => {
    const world = cluster({ config: noPreVote });
    world.tick(a, 9);
    expect(status(world, a).role).toBe("follower");
    world.timeOut(a);
    expect(status(world, a)).toMatchObject({ role: "candidate", term: 1, vote: a });
  });

  it("timeouts are drawn from one to two election timeouts, anew each time", () => {
    const waits = new Set<number>();
    const confState = { voters: three, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
    const node = new RaftNode({ id: a, storage: new MemoryLog({ confState }), random: new SeededRandom(1), ...noPreVote });
    for (let i = 0; i < 200; i += 1) {
      const { term } = node.status();
      let ticks = 0;
      while (node.status().term === term) {
        node.tick();
        ticks += 1;
      }
      waits.add(ticks);
    }
    expect([Math.min(...waits), Math.max(...waits)]).toEqual([10, 19]);
  });

  it("a candidate wins with a majority, and tells everybody at once", () => {
    const world = cluster({ voters: [a, b, c, d, e], config: noPreVote });
    world.timeOut(a);
    world.deliver(({ to }) => to === b || to === c);
    world.deliver(({ from }) => from === b);
    expect(status(world, a).role).toBe("candidate");
    world.deliver(({ from }) => from === c);
    expect(status(world, a).role).toBe("leader");
    expect(typesFrom(world, a).filter((type) => type === "app")).toHaveLength(4);
  });

  it("a member votes once per term, first come, first served, and says so again when asked again", () => {
    const world = cluster({ config: noPreVote });
    const answers = [b, c, b].map((from) => {
      world
        .member(a)
        .act((node) => node.step({ type: "vote", from, to: a, term: 1, index: 0, logTerm: 0, transfer: false, commit: 0, commitTerm: 0 }));
      const answer = world.inTransit.at(-1);
      return answer?.type === "voteResp" && !answer.reject;
    });
    expect(answers).toEqual([true, false, true]);
  });

  it("a candidate that hears from the leader of its term follows it", () => {
    const world = cluster({ config: noPreVote });
    world.timeOut(a);
    world.member(a).act((node) => node.step({ type: "heartbeat", from: b, to: a, term: 1, commit: 0, round: 0 }));
    expect(status(world, a)).toMatchObject({ role: "follower", leaderID: b, term: 1 });
  });

  it("a cluster of one elects itself once its own vote is durable", () => {
    const world = cluster({ voters: [a], config: noPreVote });
    world.member(a).stall();
    world.member(a).act((node) => node.campaign());
    expect(status(world, a).role).toBe("candidate");
    world.member(a).resume();
    expect(status(world, a).role).toBe("leader");
  });

  it("two leaders of one term break an invariant instead of the log", () => {
    const world = led();
    expect(() => world.member(a).act((node) => node.step({ type: "heartbeat", from: b, to: a, term: 1, commit: 0, round: 0 }))).toThrow(
      "Election Safety",
    );
  });
});

describe("§5.3 Log replication", () => {
  it("an entry is committed once a majority stores it, and commits all before it", () => {
    const world = led();
    world.isolate(c);
    propose(world, a);
    propose(world, a);
    world.settle();
    expect([status(world, a).commit, status(world, b).commit, status(world, c).commit]).toEqual([3, 3, 1]);
  });

  it("a follower refuses entries that do not follow what it has, and keeps its log", () => {
    const world = cluster({ logs: new Map([[a, logOf(1, 1)]]) });
    world.member(a).act((node) =>
      node.step({
        type: "app",
        from: b,
        to: a,
        term: 2,
        index: 2,
        logTerm: 2,
        entries: [{ ...(logOf(2)[0] as Entry), index: 3 }],
        commit: 0,
      }),
    );
    expect(world.inTransit.at(-1)).toMatchObject({ type: "appResp", reject: true, index: 2, rejectHint: 2, logTerm: 1 });
    expect(status(world, a).lastIndex).toBe(2);
  });

  it("conflicting entries are replaced, those that match are kept, also by an append that ends before them", () => {
    const world = cluster({ logs: new Map([[a, logOf(1, 1, 1)]]) });
    const append = (entries: readonly Entry[], index: number): void =>
      world.member(a).act((node) => node.step({ type: "app", from: b, to: a, term: 2, index, logTerm: 1, entries, commit: 0 }));
    append([{ term: 1, index: 2, type: "normal", data: bytes(0) }], 1);
    expect(status(world, a).lastIndex).toBe(3);
    append([{ term: 2, index: 2, type: "normal", data: bytes(0) }], 1);
    expect(world.member(a).describeLog()).toBe("[1.1 2.2]");
  });

  it("a follower never learns of a commit past what the append covers", () => {
    const world = cluster({ logs: new Map([[a, logOf(1, 1, 1)]]) });
    world.member(a).act((node) => node.step({ type: "app", from: b, to: a, term: 1, index: 1, logTerm: 1, entries: [], commit: 3 }));
    expect(status(world, a).commit).toBe(1);
  });

  it("an append from before the commit index is answered with the commit index", () => {
    const world = led();
    propose(world, a);
    world.settle();
    world.member(b).act((node) => node.step({ type: "app", from: a, to: b, term: 1, index: 0, logTerm: 0, entries: logOf(1), commit: 1 }));
    expect(world.inTransit.at(-1)).toMatchObject({ type: "appResp", reject: false, index: 2 });
  });

  it("a committed entry that conflicts breaks an invariant instead of the log", () => {
    const world = led();
    expect(() =>
      world.member(b).act((node) =>
        node.step({
          type: "app",
          from: c,
          to: b,
          term: 2,
          index: 1,
          logTerm: 1,
          entries: [{ term: 2, index: 1, type: "normal", data: bytes(0) }],
          commit: 0,
        }),
      ),
    ).toThrow();
  });
});

describe("§5.4 Safety", () => {
  const upToDate: readonly (readonly [string, number[], number[], boolean])[] = [
    ["equal", [1], [1], true],
    ["longer in the same term", [1, 1], [1], true],
    ["shorter in the same term", [1], [1, 1], false],
    ["shorter, but ends in a later term", [1, 2], [1, 1, 1], true],
    ["longer, but ends in an earlier term", [1, 1, 1], [1, 2], false],
  ];
  it.each(upToDate)(
    "§5.4.1 votes for a log only if it is up to date; compared to the voter's it is %s",
    (_name, candidate, voter, granted) => {
      const world = cluster({
        voters: [a, b],
        config: noPreVote,
        logs: new Map([
          [a, logOf(...candidate)],
          [b, logOf(...voter)],
        ]),
      });
      world.timeOut(a);
      // The candidate may have to pass the voter's term first.
      while (status(world, a).term <= status(world, b).term) world.timeOut(a);
      world.deliver();
      world.deliver();
      expect(status(world, a).role === "leader").toBe(granted);
    },
  );

  it("§5.4.2 leader commits only entries of its own term by counting", () => {
    const world = cluster({
      config: { ...noPreVote, maxSizePerMessageBytes: 0 },
      logs: new Map([[a, [{ ...(logOf(1)[0] as Entry), data: bytes(1) }]]]),
    });
    world.timeOut(a);
    world.deliver(isType("vote"));
    world.deliver(isType("voteResp"));
    for (let i = 0; i < 4; i += 1) world.deliver(({ to, from }) => to === b || from === b);
    // Entry 1 of term 1 is on a majority, the leader's own entry 2 is on its way.
    expect([status(world, b).lastIndex, status(world, a).commit]).toEqual([1, 0]);
    world.settle();
    expect(status(world, a).commit).toBe(2);
  });
});

describe("§5.5 Follower and candidate crashes", () => {
  it("what was promised outlives a crash: term, vote and log", () => {
    const world = led();
    propose(world, a);
    world.settle();
    world.member(b).crash();
    world.member(b).restart();
    expect(status(world, b)).toMatchObject({ term: 1, vote: a, lastIndex: 2, role: "follower" });
  });

  it("messages may come twice", () => {
    const world = led();
    propose(world, a);
    world.inTransit = world.inTransit.flatMap((message) => [message, message]);
    world.settle();
    expect([status(world, a).commit, status(world, b).commit, status(world, c).commit]).toEqual([2, 2, 2]);
    expect(world.member(b).applied).toHaveLength(2);
  });
});

describe("§6 Membership changes", () => {
  it("thesis §4.1 C1: another change is refused until the last one is applied", () => {
    const world = led();
    const change = (id: MemberID): string => {
      let outcome = "";
      world.member(a).act((node) => {
        outcome = node.proposeConfChange({ transition: "auto", changes: [{ type: "addLearner", memberID: id }], context: bytes(0) });
      });
      return outcome;
    };
    expect([change(d), change(e)]).toEqual(["appended", "confChangeRefused"]);
    world.settle();
    expect(change(e)).toBe("appended");
  });

  it("a member with a committed but unapplied change does not campaign: it may not know who votes", () => {
    const confState = { voters: [a, b], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
    const entries: Entry[] = [{ term: 1, index: 1, type: "confChange", data: bytes(0) }];
    const storage = new MemoryLog({ confState, entries, hardState: { term: 1, vote: 0n, commit: 1 } });
    const node = new RaftNode({ id: a, storage, random: new SeededRandom(1) });
    const ready = node.ready();
    node.campaign();
    expect(node.status().role).toBe("follower");
    node.advance(ready);
    node.campaign();
    expect(node.status().role).toBe("preCandidate");
  });
});

describe("§7 Log compaction", () => {
  it("a member whose state is about to be replaced by a snapshot does not campaign", () => {
    const world = cluster();
    world.member(a).stall();
    const confState = { voters: three, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
    const snapshot = { metadata: { index: 5, term: 1, confState }, data: bytes(0) };
    world.member(a).act((node) => node.step({ type: "snap", from: b, to: a, term: 1, snapshot }));
    world.tick(a, 40);
    expect(status(world, a).role).toBe("follower");
    world.member(a).resume();
    world.timeOut(a);
    expect(status(world, a)).toMatchObject({ role: "preCandidate", applied: 5, firstIndex: 6 });
  });

  it("a snapshot that the log already reaches only moves the commit index", () => {
    const world = cluster({ logs: new Map([[a, logOf(1, 1, 1)]]) });
    const confState = { voters: three, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
    const snapshot = { metadata: { index: 2, term: 1, confState }, data: bytes(0) };
    world.member(a).act((node) => node.step({ type: "snap", from: b, to: a, term: 1, snapshot }));
    expect(status(world, a)).toMatchObject({ commit: 2, firstIndex: 1, lastIndex: 3 });
  });
});

describe("§8 Client interaction", () => {
  it("a new leader commits an empty entry of its term at once", () => {
    const world = led({ logs: new Map(three.map((id) => [id, logOf(1)])) });
    expect(world.member(a).describeLog()).toBe("[1.1 2.2]");
    expect(status(world, a).commit).toBe(2);
  });
});

describe("thesis §3.10 Leadership transfer", () => {
  it("the leader refuses proposals while it hands over, and takes them again when that fails", () => {
    const world = led();
    world.isolate(b);
    world.member(a).act((node) => node.transferLeadership(b));
    world.member(a).act((node) => expect(node.propose(bytes(1))).toBe("transferringLeadership"));
    world.tick(a, 10);
    world.settle();
    world.member(a).act((node) => expect(node.propose(bytes(1))).toBe("appended"));
  });
});

describe("back-pressure", () => {
  it("a proposal past the bound of uncommitted bytes is refused by name, and taken once there is room", () => {
    const world = led({ config: { maxUncommittedEntriesBytes: 10 } });
    const outcomes: string[] = [];
    const tryPropose = (): void => world.member(a).act((node) => outcomes.push(node.propose(bytes(6))));
    tryPropose();
    tryPropose();
    expect(status(world, a).uncommittedBytes).toBe(6);
    world.settle();
    tryPropose();
    expect(outcomes).toEqual(["appended", "tooManyUncommitted", "appended"]);
  });

  it("entries handed out for applying are bounded by bytes until they are acknowledged", () => {
    const confState = { voters: [a], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
    const entries = logOf(1, 1, 1).map((entry) => ({ ...entry, data: bytes(6) }));
    const storage = new MemoryLog({ confState, entries, hardState: { term: 1, vote: 0n, commit: 3 } });
    const node = new RaftNode({ id: a, storage, random: new SeededRandom(1), maxApplyingEntriesBytes: 10 });
    const handedOut = [node.ready(), node.ready(), node.ready()].map((ready) => ready.committedEntries.map(({ index }) => index));
    // The one that passes the bound is the last.
    expect(handedOut).toEqual([[1], [2], []]);
    node.onApplied(2);
    expect(node.ready().committedEntries.map(({ index }) => index)).toEqual([3]);
  });
});
