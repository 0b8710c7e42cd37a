// Drives a lab as a user does: by the `lenj` command and kubectl, and waits for conditions instead of time.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("../../../", import.meta.url));
export const lenjProgram = `${repository}packages/lab/dist/main.js`;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessStatus {
  readonly name: string;
  readonly kind: string;
  readonly pid: number | null;
  readonly state: string;
  readonly role?: string;
  readonly restarts: number;
  readonly lastExit?: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

/** Runs a program to its end. Never throws for its exit code. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: options.env ?? process.env, cwd: repository });
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 120_000);
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    child.once("error", (error) => resolve({ code: -1, stdout, stderr: error.message }));
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, stdout, stderr });
    });
  });
}

/** A kubectl that talks to one server and nothing else: where a dispatcher stands on the PATH, the binary behind it. */
function findKubectl(): string {
  const direct = ["1.33", "1.32", "1.31"]
    .map((version) => `/usr/lib/google-cloud-sdk/bin/kubectl.${version}`)
    .find((path) => existsSync(path));
  return direct ?? "kubectl";
}

const kubectlProgram = findKubectl();

/** True where labs can run: the end-to-end tests need root and namespaces. */
export const canRunLabs = process.getuid?.() === 0 && spawnSync("unshare", ["--net", "--pid", "--mount", "--fork", "true"]).status === 0;

/** Set when a file is run alone: then it takes the lab down itself. */
let sharedInThisFile: { readonly lab: Lab; readonly state: string } | undefined;

export class Lab {
  /** `directory`, where the lab has one of its own, goes with the lab. */
  constructor(
    readonly state: string,
    private readonly directory?: string,
  ) {}

  get kubeconfig(): string {
    return `${this.state}/kubeconfig`;
  }

  /** The lab that the whole run shares; brought up by its first user, taken down by the test command (or by the file itself when run alone). */
  static async shared(): Promise<Lab> {
    const state = process.env["LENJ_E2E_STATE"] ?? mkdtempSync(`${tmpdir()}/lenj-e2e-`);
    const lab = new Lab(`${state}/lab`);
    await lab.up();
    if (process.env["LENJ_E2E_STATE"] === undefined) sharedInThisFile = { lab, state };
    return lab;
  }

  /** A lab of the test's own. */
  static async own(...args: string[]): Promise<Lab> {
    const directory = mkdtempSync(`${tmpdir()}/lenj-e2e-own-`);
    const lab = new Lab(`${directory}/lab`, directory);
    await lab.up(...args);
    return lab;
  }

  async up(...args: string[]): Promise<void> {
    const outcome = await this.lenj("up", ...args);
    if (outcome.code !== 0) throw new Error(`lenj up failed:\n${outcome.stdout}\n${outcome.stderr}`);
  }

  async down(): Promise<void> {
    const outcome = await this.lenj("down", "--purge");
    if (outcome.code !== 0) throw new Error(`lenj down failed: ${outcome.stderr}`);
    if (this.directory !== undefined) rmSync(this.directory, { recursive: true, force: true });
  }

  lenj(...args: string[]): Promise<Outcome> {
    return run(process.execPath, [lenjProgram, "--state", this.state, ...args], { timeoutMs: 180_000 });
  }

  async mustLenj(...args: string[]): Promise<string> {
    const outcome = await this.lenj(...args);
    if (outcome.code !== 0) throw new Error(`lenj ${args.join(" ")} failed: ${outcome.stderr}`);
    return outcome.stdout;
  }

  /** A shell command with what `lenj env` exports. */
  shell(command: string): Promise<Outcome> {
    return run("sh", ["-c", `eval "$(${process.execPath} ${lenjProgram} --state ${this.state} env)" && ${command}`]);
  }

  async processes(): Promise<ProcessStatus[]> {
    return (JSON.parse(await this.mustLenj("status", "-o", "json")) as { processes: ProcessStatus[] }).processes;
  }

  async process(name: string): Promise<ProcessStatus> {
    const found = (await this.processes()).find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`No process ${name}`);
    return found;
  }

  kubectl(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run(kubectlProgram, args, { ...options, env: { ...process.env, KUBECONFIG: this.kubeconfig, ...options.env } });
  }

  /** Standard output of a kubectl that must succeed; its words in the error otherwise. */
  async must(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const outcome = await this.kubectl(args, options);
    if (outcome.code !== 0) throw new Error(`kubectl ${args.join(" ")} failed with ${outcome.code}:\n${outcome.stdout}\n${outcome.stderr}`);
    return outcome.stdout;
  }

  apply(yaml: string, ...args: string[]): Promise<string> {
    return this.must(["apply", ...args, "-f", "-"], { input: yaml });
  }

  async get<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.must(["get", ...args, "-o", "json"])) as T;
  }

  /** A kubectl that goes on running; the caller kills it. */
  spawnKubectl(args: readonly string[]): ChildProcess {
    return spawn(kubectlProgram, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, KUBECONFIG: this.kubeconfig } });
  }

  /**
   * A namespace of one test, deleted afterwards without waiting; pods may be made in it. Another test may have killed the controller-manager
   * that led: its lease has to run out first.
   */
  async namespace(name: string): Promise<string> {
    await this.must(["create", "namespace", name]);
    await this.must(["-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=60s"]);
    return name;
  }
}

/** Asks again and again until `probe` gives a value. Rejects with the last error, or what was waited for, after `timeoutMs`. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined | false>, timeoutMs = 60_000): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadlineMs)
      throw new Error(`Waited ${timeoutMs} ms for ${what}${last === undefined ? "" : `: ${String(last)}`}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Ends a child and waits for it. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}

/** `describe` where labs can run, else skipped by name; in CI nothing is skipped. */
export function describeLab(name: string, body: () => void): void {
  (canRunLabs || process.env["CI"] === "true" ? describe : describe.skip)(name, () => {
    body();
    // Hooks run in the order of their registration: the file's own, which still need the lab, come first.
    afterAll(async () => {
      if (sharedInThisFile === undefined) return;
      await sharedInThisFile.lab.down();
      rmSync(sharedInThisFile.state, { recursive: true, force: true });
    }, 60_000);
  });
}
