// Raft scripts: a small language to tell what members hear and to see, line by line, what they do about it.
//
//   config checkQuorum=false                    RaftConfig values, before the members
//   members 1,2,3 [learners 4] [log 1,2=[1.1 1.2]] [term 1=3] [commit 1=1]     once, first
//   outsider 5                                  a member that is not in the membership yet
//   elect 1                                     makes it leader, without telling how
//   campaign 1 · timeout 1 · tick 1,2 [n]       an election now; when its wait ends; time
//   propose 1 text · change 1 v4 l5 r2 [jointImplicit|jointExplicit] · leave 1 · read 1 name · transfer 1 2 · forget 1
//   deliver [1>2] [>3] [app …] · drop […] · settle […]      a round of messages; losing them; rounds until all is said
//   cut 1 2 · isolate 1 · heal                  links
//   stall 1 · resume 1 · crash 1 · restart 1    its disk; the process, which loses what is not durable
//   compact 1 5 · snapshot 1 pending|ready · report 1 unreachable|gone|arrived|failed 2
//   status · progress 1 · transit               what is
//   expect leader 1, commit 1=2 2=2, log 3=[1.1 2.2], …     fails the script when it is not so; see expectations
//
// Lines that begin with # are comments. The result repeats the script with what happened beside each line.

import type { ConfChange, MemberID, RaftConfig } from "../types.js";
import { describeMessage, describeProgress } from "./describe.js";
import { checkExpectation } from "./script-expectations.js";
import {
  parseByMember,
  parseChange,
  parseFilter,
  parseID,
  parseIDs,
  parseLog,
  parseSettings,
  parseText,
  splitWords,
} from "./script-parts.js";
import { TestCluster } from "./test-cluster.js";

const columnWidth = 34;
const leave: ConfChange = { transition: "auto", changes: [], context: new Uint8Array(0) };

/** Runs a script. Throws when a line cannot be read or an expectation is not met. */
export function runScript(script: string): string {
  const run = new ScriptRun();
  const out: string[] = [];
  script.split("\n").forEach((line, i) => {
    if (line.trim() === "" || line.startsWith("#")) {
      out.push(line);
      return;
    }
    try {
      out.push(...besides(line, run.execute(line)));
    } catch (error) {
      throw new Error(`line ${i + 1}: ${line}: ${error instanceof Error ? error.message : String(error)}\n${out.slice(-20).join("\n")}`, {
        cause: error,
      });
    }
  });
  return out.join("\n");
}

function besides(command: string, events: readonly string[]): string[] {
  if (events.length === 0) return [command];
  return events.map((event, i) => `${(i === 0 ? command : "").padEnd(columnWidth)} | ${event}`);
}

class ScriptRun {
  #cluster: TestCluster | undefined;
  #config: Partial<RaftConfig> = {};
  #events: string[] = [];

  /** Does what the line says and returns what came of it. */
  execute(line: string): readonly string[] {
    this.#events = [];
    const [verb = "", ...words] = splitWords(line);
    if (verb === "config") this.#config = { ...this.#config, ...parseSettings(words) };
    else if (verb === "members") this.#createMembers(words);
    else this.#perform(verb, words);
    return this.#events;
  }

  get #world(): TestCluster {
    if (this.#cluster === undefined) throw new Error("members come first");
    return this.#cluster;
  }

  #tell(event: string): void {
    this.#events.push(event);
  }

  #createMembers(words: readonly string[]): void {
    let learners: MemberID[] = [];
    const given = new Map<string, Map<MemberID, string>>();
    for (let at = 1; at < words.length; ) {
      const word = words[at] as string;
      if (word === "learners") {
        learners = parseIDs(words[at + 1] as string);
        at += 2;
      } else {
        const [values, next] = parseByMember(words, at + 1);
        given.set(word, values);
        at = next;
      }
    }
    const map = <T>(name: string, parse: (text: string) => T): Map<MemberID, T> =>
      new Map([...(given.get(name) ?? [])].map(([id, text]) => [id, parse(text)]));
    this.#cluster = new TestCluster({
      voters: parseIDs(words[0] as string),
      learners,
      config: this.#config,
      logs: map("log", parseLog),
      terms: map("term", Number),
      commits: map("commit", Number),
      narrate: (event) => this.#tell(event),
    });
  }

  #perform(verb: string, words: readonly string[]): void {
    const world = this.#world;
    const [first = "", second = ""] = words;
    switch (verb) {
      case "deliver":
        world.deliver(parseFilter(words));
        return;
      case "drop":
        world.drop(parseFilter(words));
        return;
      case "settle":
        world.settle(parseFilter(words));
        return;
      case "cut":
        for (const other of parseIDs(second)) world.cut(parseID(first), other);
        return;
      case "isolate":
        for (const id of parseIDs(first)) world.isolate(id);
        return;
      case "heal":
        world.heal();
        return;
      case "tick":
        for (const id of parseIDs(first)) world.tick(id, Number(second === "" ? 1 : second));
        return;
      case "elect":
        this.#elect(parseID(first));
        return;
      case "timeout":
        world.timeOut(parseID(first));
        return;
      case "outsider":
        world.addOutsider(parseID(first));
        return;
      case "status":
        for (const member of world.members.values()) this.#tell(member.describeState());
        return;
      case "transit":
        for (const message of world.inTransit) this.#tell(`${message.from}→${message.to} ${describeMessage(message)}`);
        return;
      case "expect":
        for (const clause of words.join(" ").split(/, /)) checkExpectation(world, clause);
        return;
      default:
        this.#performOn(parseID(first), verb, words.slice(1));
    }
  }

  #elect(id: MemberID): void {
    const { length } = this.#events;
    this.#world.member(id).act((node) => node.campaign());
    this.#world.settle();
    this.#events.length = length;
    checkExpectation(this.#world, `leader ${id}`);
    this.#tell(`${id}: leads term ${this.#world.member(id).node.status().term}`);
  }

  #performOn(id: MemberID, verb: string, words: readonly string[]): void {
    const member = this.#world.member(id);
    const [first = "", second = ""] = words;
    const tellRefusal = (outcome: string): void => {
      if (outcome !== "appended" && outcome !== "forwarded" && outcome !== "accepted") this.#tell(`${id}: answers ${outcome}`);
    };
    switch (verb) {
      case "campaign":
        member.act((node) => node.campaign());
        return;
      case "propose":
        member.act((node) => tellRefusal(node.propose(parseText(first))));
        return;
      case "change":
        member.act((node) => tellRefusal(node.proposeConfChange(parseChange(words))));
        return;
      case "leave":
        member.act((node) => tellRefusal(node.proposeConfChange(leave)));
        return;
      case "read":
        // All at once, as reads that arrive together.
        member.act((node) => words.forEach((name) => tellRefusal(node.readIndex(parseText(name)))));
        return;
      case "transfer":
        member.act((node) => node.transferLeadership(parseID(first)));
        return;
      case "forget":
        member.act((node) => node.forgetLeader());
        return;
      case "stall":
        member.stall();
        return;
      case "resume":
        member.resume();
        return;
      case "crash":
        member.crash();
        return;
      case "restart":
        member.restart();
        return;
      case "compact":
        member.compact(Number(first));
        return;
      case "snapshot":
        member.isSnapshotBeingMade = first === "pending";
        return;
      case "report":
        this.#report(id, first, parseID(second));
        return;
      case "progress":
        for (const [other, progress] of member.node.status().progress) this.#tell(describeProgress(other, progress));
        return;
      default:
        throw new Error(`unknown word ${verb}`);
    }
  }

  #report(id: MemberID, what: string, about: MemberID): void {
    this.#world.member(id).act((node) => {
      if (what === "unreachable") node.reportUnreachable(about);
      else if (what === "gone") node.reportGone(about);
      else node.reportSnapshot(about, what === "arrived");
    });
  }
}
