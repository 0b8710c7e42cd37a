// `lenj-store member …`: changing the members of a cluster so that it cannot be got wrong.
//
// M1. Every change is planned on what the cluster says now, and refused with the reason when it would cost the quorum.
// M2. New members begin as learners; `--auto-promote` and `replace` wait until they are in sync.
// M3. Interrupted, the same command goes on from where it was.
import { type Clock, delay, SystemClock } from "@lenj/base";
import { type Command, InvalidArgumentError } from "commander";
import { ClusterAdmin, detailsOf } from "../drivers/cluster-admin.js";
import { type AccessFlags, readAccess } from "../drivers/endpoint-channel.js";
import {
  findMember,
  formatPlan,
  type MemberView,
  type Plan,
  planAdd,
  planPromote,
  planRemove,
  planReplace,
  type Step,
} from "./member-plan.js";
import { parseList } from "./parse-list.js";

const retryMs = 500;
/** Upstream trusts connections after 5 s: a cluster that has just changed is asked again for that long. */
const healthyWaitMs = 15_000;
const defaultTimeoutMs = 600_000;

interface EndpointFlags extends AccessFlags {
  readonly endpoints: string[];
}

interface ChangeFlags extends EndpointFlags {
  readonly dryRun: boolean;
  readonly timeout: number;
}

interface AddFlags extends ChangeFlags {
  readonly peerUrls: string[];
  readonly autoPromote?: boolean;
}

export function addMemberCommands(program: Command, signal: AbortSignal): void {
  const member = program.command("member").description("list, add, promote, replace and remove members of a cluster that runs");
  const withEndpoints = (command: Command): Command =>
    command
      .option("--endpoints <list>", "members to ask", parseList, ["127.0.0.1:2379"])
      .option("--cacert <file>", "authority of the servers' certificates")
      .option("--cert <file>", "certificate to show")
      .option("--key <file>", "key of that certificate")
      .option("--user <name:password>", "whom to authenticate as");
  const withChange = (command: Command): Command =>
    withEndpoints(command)
      .option("--dry-run", "say what would be done and what the quorum would survive, and do nothing", false)
      .option(
        "--timeout <duration>",
        "how long to wait for a new member to be in sync, such as 90s or 10m",
        parseDuration,
        defaultTimeoutMs,
      );
  withEndpoints(member.command("list"))
    .description("show the members, and what their quorum survives")
    .action(async (flags: EndpointFlags) => printMembers(await adminOf(flags).members()));
  withChange(member.command("add <name>"))
    .description("add a member as a learner")
    .requiredOption("--peer-urls <list>", "where the others will find it", parseList)
    .option("--auto-promote", "wait until it is in sync and make it a voter", false)
    .action((name: string, flags: AddFlags) =>
      change(flags, signal, (members) => planAdd(members, { name, peerURLs: flags.peerUrls }, flags.autoPromote === true), {
        name,
        peerURLs: flags.peerUrls,
      }),
    );
  withChange(member.command("promote <member>"))
    .description("make a learner, by name or ID, a voter")
    .action((text: string, flags: ChangeFlags) => change(flags, signal, (members) => planPromote(members, findMember(members, text))));
  withChange(member.command("remove <member>"))
    .description("remove a member, by name or ID")
    .action((text: string, flags: ChangeFlags) => change(flags, signal, (members) => planRemove(members, findMember(members, text))));
  withChange(member.command("replace <member> <new-name>"))
    .description("put a new member in the place of one: add, wait until it is in sync, promote, remove the old one")
    .requiredOption("--peer-urls <list>", "where the others will find the new one", parseList)
    .action((text: string, name: string, flags: AddFlags) =>
      change(flags, signal, (members) => planReplace(members, findMember(members, text), { name, peerURLs: flags.peerUrls }), {
        name,
        peerURLs: flags.peerUrls,
      }),
    );
}

async function change(
  flags: ChangeFlags,
  signal: AbortSignal,
  planOf: (members: readonly MemberView[]) => Plan,
  added?: { readonly name: string; readonly peerURLs: readonly string[] },
): Promise<void> {
  const admin = adminOf(flags);
  const members = await admin.members();
  const plan = planOf(members);
  print(formatPlan(plan));
  if (plan.problems.length > 0) throw new Error("the change is refused");
  if (flags.dryRun) return;
  const run = new Run(admin, new SystemClock(), signal, flags.timeout);
  for (const step of plan.steps) await run.execute(step, added, members);
}

/** One plan on its way. */
class Run {
  #addedID: bigint | undefined;

  constructor(
    private readonly admin: ClusterAdmin,
    private readonly clock: Clock,
    private readonly signal: AbortSignal,
    private readonly timeoutMs: number,
  ) {}

  async execute(
    step: Step,
    added: { readonly name: string; readonly peerURLs: readonly string[] } | undefined,
    before: readonly MemberView[],
  ): Promise<void> {
    const id = step.memberID ?? this.#addedID ?? 0n;
    if (step.kind === "addLearner" && added !== undefined) {
      const newID = await this.#untilAccepted(() => this.admin.addLearner(added.peerURLs), healthyWaitMs, ["unhealthy cluster"]);
      this.#addedID = newID;
      print(`Added ${added.name} as ${newID.toString(16)}. Start it with:\n${startFlags(before, added)}`);
    } else if (step.kind === "promote") {
      print("Waiting for the learner to be in sync.");
      await this.#untilAccepted(() => this.admin.promote(id), this.timeoutMs, ["in sync with leader", "unhealthy cluster"]);
      print(`Promoted ${id.toString(16)}.`);
    } else if (step.kind === "remove") {
      await this.#untilAccepted(() => this.admin.remove(id), healthyWaitMs, ["unhealthy cluster"]);
      print(`Removed ${id.toString(16)}.`);
    }
  }

  /** Asks again while the answer is one of those that time changes. */
  async #untilAccepted<T>(attempt: () => Promise<T>, waitMs: number, passing: readonly string[]): Promise<T> {
    const deadlineMs = this.clock.monotonicMs() + waitMs;
    for (;;) {
      this.signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        const details = detailsOf(error);
        if (!passing.some((text) => details.includes(text)) || this.clock.monotonicMs() >= deadlineMs)
          throw new Error(`${details}; run the same command again to go on from here`);
      }
      await delay(this.clock, retryMs, this.signal);
    }
  }
}

function startFlags(before: readonly MemberView[], added: { readonly name: string; readonly peerURLs: readonly string[] }): string {
  const all = [...before, added].flatMap(({ name, peerURLs }) => peerURLs.map((url) => `${name}=${url}`));
  return [
    `  --name ${added.name}`,
    `  --initial-advertise-peer-urls ${added.peerURLs.join(",")}`,
    `  --initial-cluster ${all.join(",")}`,
    "  --initial-cluster-state existing",
  ].join(" \\\n");
}

function printMembers(members: readonly MemberView[]): void {
  for (const { id, name, peerURLs, clientURLs, isLearner, isUp } of members) {
    const state = name === "" ? "unstarted" : isUp ? "started" : "down";
    print([id.toString(16), state, name, peerURLs.join(","), clientURLs.join(","), isLearner].join(", "));
  }
  print(formatPlan({ before: members, steps: [], problems: [] }).split("\n")[0] ?? "");
}

const adminOf = (flags: EndpointFlags): ClusterAdmin => new ClusterAdmin(flags.endpoints, readAccess(flags));

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function parseDuration(text: string): number {
  const match = /^(\d+)(ms|s|m|h)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Must be a duration such as 90s or 10m.");
  return Number(match[1]) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as "s"];
}
