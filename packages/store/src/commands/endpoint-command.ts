// `lenj-store endpoint status`: how each member is, side by side.
import { type Command, Option } from "commander";
import { ClusterAdmin } from "../drivers/cluster-admin.js";
import { type AccessFlags, readAccess } from "../drivers/endpoint-channel.js";
import { askStatus, type EndpointStatus } from "../drivers/endpoint-status.js";
import { parseList } from "./parse-list.js";
import { formatBytes, formatTable } from "./print-status.js";

const outputForms = ["simple", "table", "json"] as const;
type OutputForm = (typeof outputForms)[number];

interface StatusFlags extends AccessFlags {
  readonly endpoints: string[];
  readonly cluster: boolean;
  readonly writeOut: OutputForm;
}

export function addEndpointCommands(program: Command): void {
  program
    .command("endpoint")
    .description("examine members that run")
    .command("status")
    .description("show role, term, how far each member is, its size and what is wrong")
    .option("--endpoints <list>", "members to ask", parseList, ["127.0.0.1:2379"])
    .option("--cluster", "ask all members of the cluster", false)
    .option("--cacert <file>", "authority of the servers' certificates")
    .option("--cert <file>", "certificate to show")
    .option("--key <file>", "key of that certificate")
    .option("--user <name:password>", "whom to authenticate as")
    .addOption(new Option("-w, --write-out <form>", "form of the output").choices(outputForms).default("simple"))
    .action(status);
}

async function status(flags: StatusFlags): Promise<void> {
  const access = readAccess(flags);
  const endpoints = flags.cluster ? await clusterEndpoints(flags) : flags.endpoints;
  const found = await Promise.all(endpoints.map((endpoint) => askStatus(endpoint, access)));
  process.stdout.write(`${formatEndpoints(found, flags.writeOut)}\n`);
  const failed = found.filter(({ failure }) => failure !== undefined);
  for (const { endpoint, failure } of failed) process.stderr.write(`Failed to get the status of endpoint ${endpoint} (${failure})\n`);
  if (failed.length > 0) throw new Error("not every endpoint answered");
}

async function clusterEndpoints(flags: StatusFlags): Promise<string[]> {
  const members = await new ClusterAdmin(flags.endpoints, readAccess(flags)).members();
  return members.flatMap(({ clientURLs }) => clientURLs.slice(0, 1));
}

/** etcdctl's columns, and how many committed entries each member has not applied, as far as the others know. */
export function formatEndpoints(found: readonly EndpointStatus[], form: OutputForm): string {
  const commit = Math.max(0, ...found.map(({ commit: own }) => own));
  if (form === "json") {
    const shown = found.map((each) => ({ ...each, id: each.id.toString(16), lag: commit - each.applied }));
    return JSON.stringify(shown, undefined, 2);
  }
  const rows = found
    .filter(({ failure }) => failure === undefined)
    .map(({ endpoint, id, version, dbSizeBytes, role, isLearner, term, commit: own, applied, errors }) => [
      ...[endpoint, id.toString(16), version, formatBytes(dbSizeBytes), String(role === "leader"), String(isLearner)],
      ...[term, own, applied, commit - applied].map(String),
      errors.join(", "),
    ]);
  if (form === "simple") return rows.map((row) => row.join(", ")).join("\n");
  const titles = ["ENDPOINT", "ID", "VERSION", "DB SIZE", "IS LEADER", "IS LEARNER", "RAFT TERM", "RAFT INDEX", "RAFT APPLIED INDEX"];
  return formatTable([...titles, "LAG", "ERRORS"], rows);
}
