#!/usr/bin/env node
// The `lenj` command.
import { Command, InvalidArgumentError } from "commander";
import { ControlClient } from "./drivers/control-client.js";
import { readLab } from "./drivers/lab-state.js";

const program = new Command("lenj")
  .description("Kubernetes clusters on this machine: separate processes, real containers, failures on request")
  .option("--state <folder>", "state folder of the lab", process.env["LENJ_STATE"] ?? ".lenj")
  .enablePositionalOptions()
  .showHelpAfterError();

const state = (): string => program.opts<{ state: string }>().state;
const control = (): ControlClient => new ControlClient(readLab(state()));

program
  .command("up")
  .description("bring the lab up and wait until everything is Ready")
  .option("--nodes <number>", "nodes (default 3)", parseCount)
  .option("--store-replicas <number>", "store replicas: 1, 3 or 5 (default 3)", parseReplicas)
  .option("--port <port>", "port of the api-server on 127.0.0.1 (default: 6443 if free)", parseCount)
  .option("--container-runtime <name>", "embedded or containerd (default embedded)", parseRuntime)
  .option("--node-memory <bytes>", "memory of each node, such as 2Gi (default: the machine's)", parseBytes)
  .option("--node-cpus <number>", "processors of each node (default: the machine's)", Number)
  .action(async (options: Record<string, unknown>) => {
    const { up } = await import("./commands/up.js");
    const { nodeMemory, ...rest } = options;
    await up({ state: state(), ...rest, ...(nodeMemory === undefined ? {} : { nodeMemoryBytes: nodeMemory as number }) });
  });

program
  .command("down")
  .description("end everything of the lab")
  .option("--purge", "remove the state folder too", false)
  .action(async (options: { purge: boolean }) => {
    const { down } = await import("./commands/down.js");
    await down({ state: state(), ...options });
  });

program
  .command("status")
  .description("show processes, store roles and nodes")
  .option("-o, --output <form>", "text or json", "text")
  .action(async (options: { output: string }) => {
    const { status } = await import("./commands/status.js");
    await status({ state: state(), ...options });
  });

program
  .command("env")
  .description('print export lines for kubectl and etcdctl: eval "$(lenj env)"')
  .action(async () => {
    const { formatEnvironment } = await import("./commands/kubectl.js");
    process.stdout.write(formatEnvironment({ state: state() }));
  });

program
  .command("kill <process>")
  .description("send SIGKILL to a process; the supervisor starts it again")
  .option("--hold", "do not start it again until `lenj start`", false)
  .option("--signal <name>", "signal to send", "SIGKILL")
  .action((name: string, options: { hold: boolean; signal: string }) =>
    control().post("/process", { name, verb: "kill", hold: String(options.hold), signal: options.signal }),
  );

program
  .command("pause <process>")
  .description("stop a process in its tracks (SIGSTOP)")
  .option("--hold", "if it dies meanwhile, do not start it again", false)
  .action((name: string, options: { hold: boolean }) => control().post("/process", { name, verb: "pause", hold: String(options.hold) }));

for (const [verb, description] of [
  ["resume", "let a paused process go on"],
  ["start", "start a process that is held or stopped"],
  ["restart", "stop a process in order and start it again"],
] as const) {
  program
    .command(`${verb} <process>`)
    .description(description)
    .action((name: string) => control().post("/process", { name, verb }));
}

program
  .command("power <state> <node>")
  .description("power a node off (everything on it dies at once) or on")
  .action(async (to: string, node: string) => {
    if (to !== "on" && to !== "off") throw new Error(`Unknown power state ${JSON.stringify(to)}: must be on or off`);
    await control().post("/power", { to, node });
  });

program
  .command("partition <a> [b]")
  .description("cut two hosts (store-1, apiserver-1, node-2, ...) off from each other, or one from all others")
  .action((a: string, b: string | undefined) => control().post("/partition", { a, b }));

program
  .command("heal [a] [b]")
  .description("undo partitions: all, those of one host, or the one between two")
  .action((a: string | undefined, b: string | undefined) => control().post("/heal", { a, b }));

program
  .command("logs <process>")
  .description("show what a process wrote (supervisor, store-1, node-1/kubelet, ...)")
  .option("-f, --follow", "go on as it writes more", false)
  .option("--tail <lines>", "last lines to show; -1 for all", "-1")
  .action(async (name: string, options: { follow: boolean; tail: string }) => {
    const { logs } = await import("./commands/logs.js");
    await logs(name, { state: state(), ...options });
  });

const image = program.command("image").description("images that the lab's nodes can pull");
image
  .command("load <archive>")
  .description("load an archive of `docker save` or an OCI layout (tar or tar.gz)")
  .option("--name <name>", "name to give the image")
  .action(async (archive: string, options: { name?: string }) => {
    const [{ loadArchive }, { ImageStore }] = await Promise.all([import("./images/load-archive.js"), import("./images/image-store.js")]);
    const names = await loadArchive(new ImageStore(`${readLab(state()).paths.state}/registry`), archive, options.name);
    process.stdout.write(names.map((name) => `${name}\n`).join(""));
  });
image
  .command("list")
  .description("list them")
  .action(async () => {
    const { ImageStore } = await import("./images/image-store.js");
    const names = Object.keys(new ImageStore(`${readLab(state()).paths.state}/registry`).names()).sort();
    process.stdout.write(names.map((name) => `${name}\n`).join(""));
  });

program
  .command("kubectl [args...]")
  .description("run kubectl against the lab")
  .allowUnknownOption()
  .helpOption(false)
  .passThroughOptions()
  .action(async (args: string[]) => {
    const { kubectl } = await import("./commands/kubectl.js");
    process.exitCode = await kubectl(args, { state: state() });
  });

program
  .command("store [args...]")
  .description(
    "work with stores and their snapshots: lenj store snapshot save|status|restore, lenj store restore, lenj store endpoint status, lenj store member ...",
  )
  .allowUnknownOption()
  .helpOption(false)
  .passThroughOptions()
  .action(async (args: string[]) => {
    const { store } = await import("./commands/store.js");
    process.exitCode = await store(args.length === 0 ? ["--help"] : args);
  });

function parseCount(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1) throw new InvalidArgumentError("Must be a whole number of at least 1.");
  return Number(text);
}

function parseReplicas(text: string): number {
  if (!["1", "3", "5"].includes(text)) throw new InvalidArgumentError("Must be 1, 3 or 5.");
  return Number(text);
}

function parseRuntime(text: string): string {
  if (text !== "embedded" && text !== "containerd") throw new InvalidArgumentError("Must be embedded or containerd.");
  return text;
}

function parseBytes(text: string): number {
  const match = /^(\d+)(Ki|Mi|Gi|k|M|G)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Must be bytes, such as 536870912, 512Mi or 2Gi.");
  const factors: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, k: 1e3, M: 1e6, G: 1e9 };
  return Number(match[1]) * (match[2] === undefined ? 1 : (factors[match[2]] ?? 1));
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`lenj: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
