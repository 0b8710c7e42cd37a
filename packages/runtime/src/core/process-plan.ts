// What runs in a container, as whom and with which rights: the CRI's container config laid over the image's config.
// Upstream: containerd's CRI plugin (container_create, spec_opts), runc's defaults.
import type { ContainerConfig, LinuxContainerSecurityContext } from "@lenj/proto/cri";
import { type Account, type AccountFiles, resolveUser } from "./accounts.js";
import { capabilityNames, planCapabilities } from "./capabilities.js";
import { RuntimeError } from "./errors.js";
import type { ProcessSpec } from "./launch/process-steps.js";
import type { Architecture } from "./launch/syscall-table.js";
import { compileSeccomp, type SeccompProfile } from "./seccomp/bpf.js";
import { runtimeDefaultProfile } from "./seccomp/runtime-default.js";

/** The part of an OCI image config that starting a container needs. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
}

/** What this node's kernel and this process's rights allow. */
export interface NodeRights {
  readonly architecture: Architecture;
  /** Capabilities of this process. */
  readonly capabilities: bigint;
  readonly capabilityLast: number;
  /** False where one uid alone is mapped: everything runs as that one. */
  readonly manyIDs: boolean;
  /** False in a user namespace: device nodes are bind mounts then. */
  readonly makesDevices: boolean;
}

export interface ProcessInputs {
  readonly config: ContainerConfig;
  readonly image: ImageConfig;
  readonly accounts: AccountFiles;
  readonly rights: NodeRights;
  readonly hostname: string;
  /** A localhost profile's parsed file, when the config names one. */
  readonly localhostSeccomp: SeccompProfile | undefined;
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const seccompRuntimeDefault = 0;
const seccompUnconfined = 1;
const supplementalGroupsStrict = 1;

/** Throws RuntimeError (INVALID_ARGUMENT, UNKNOWN) for what cannot be run. */
export function planProcess(inputs: ProcessInputs): ProcessSpec {
  const { config, image, rights } = inputs;
  const context = config.linux?.securityContext;
  const argv = planArguments(config, image);
  const account = planAccount(inputs);
  const env = planEnvironment(inputs, account);
  const workingDirectory = absolute(config.workingDir || image.WorkingDir || "/");
  const capabilities = planRights(context, rights);
  return {
    argv,
    executables: planExecutables(argv[0] as string, env, workingDirectory),
    env,
    workingDirectory,
    uid: account.uid,
    gid: account.gid,
    groups: account.groups,
    setsIdentity: rights.manyIDs,
    capabilities,
    capabilityLast: rights.capabilityLast,
    noNewPrivileges: context?.noNewPrivs ?? false,
    seccompFilter: planSeccomp(context, capabilities.bounding, inputs),
  };
}

/** The same identity and rights for another command, as exec wants it. */
export function planExecProcess(container: ProcessSpec, argv: readonly string[], terminal: boolean): ProcessSpec {
  if (argv.length === 0 || argv[0] === "") throw new RuntimeError("INVALID_ARGUMENT", "exec command is empty");
  const env = terminal && !container.env.some((entry) => entry.startsWith("TERM=")) ? [...container.env, "TERM=xterm"] : container.env;
  return { ...container, argv, env, executables: planExecutables(argv[0] as string, env, container.workingDirectory) };
}

function planArguments(config: ContainerConfig, image: ImageConfig): string[] {
  const entrypoint = config.command.length > 0 ? config.command : (image.Entrypoint ?? []);
  // The image's Cmd belongs to its Entrypoint: a command or arguments of the pod replace it.
  const rest = config.args.length > 0 || config.command.length > 0 ? config.args : (image.Cmd ?? []);
  const argv = [...entrypoint, ...rest];
  if (argv.length === 0) throw new RuntimeError("UNKNOWN", "failed to generate container spec: no command specified");
  return argv;
}

function planAccount(inputs: ProcessInputs): Account {
  const { config, image, accounts, rights } = inputs;
  const context = config.linux?.securityContext;
  const explicitUser =
    context?.runAsUser?.value ?? (context?.runAsUsername === undefined || context.runAsUsername === "" ? undefined : context.runAsUsername);
  if (explicitUser === undefined && context?.runAsGroup !== undefined)
    throw new RuntimeError("INVALID_ARGUMENT", "user group is specified without user");
  const userText = explicitUser === undefined ? (image.User ?? "") : String(explicitUser);
  let account: Account;
  try {
    account = resolveUser(context?.runAsGroup === undefined ? userText : `${userText.split(":")[0]}:${context.runAsGroup.value}`, accounts);
  } catch (error) {
    throw new RuntimeError(
      "UNKNOWN",
      `failed to generate container spec: failed to resolve user ${JSON.stringify(userText)}: ${(error as Error).message}`,
    );
  }
  if (!rights.manyIDs && (account.uid !== 0 || account.gid !== 0)) {
    throw new RuntimeError(
      "UNKNOWN",
      `cannot run as user ${account.uid}:${account.gid}: this node has one user ID only (it runs without root)`,
    );
  }
  const supplemental = (context?.supplementalGroups ?? []).map(Number);
  const memberships = context?.supplementalGroupsPolicy === supplementalGroupsStrict ? [] : account.groups;
  return { ...account, groups: [...new Set([account.gid, ...memberships, ...supplemental])].sort((a, b) => a - b) };
}

function planEnvironment(inputs: ProcessInputs, account: Account): string[] {
  const { config, image } = inputs;
  const env = new Map<string, string>([["PATH", defaultPath]]);
  if (config.tty) env.set("TERM", "xterm");
  if (inputs.hostname !== "") env.set("HOSTNAME", inputs.hostname);
  for (const entry of image.Env ?? []) {
    const equals = entry.indexOf("=");
    env.set(equals < 0 ? entry : entry.slice(0, equals), equals < 0 ? "" : entry.slice(equals + 1));
  }
  for (const { key, value } of config.envs) env.set(key, value);
  if (!env.has("HOME")) env.set("HOME", account.home);
  return [...env].map(([name, value]) => `${name}=${value}`);
}

function planExecutables(command: string, env: readonly string[], workingDirectory: string): string[] {
  if (command.startsWith("/")) return [command];
  if (command.includes("/")) return [`${workingDirectory === "/" ? "" : workingDirectory}/${command}`];
  const path = env.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  const directories = path.split(":").filter((directory) => directory.startsWith("/"));
  return directories.length === 0 ? [`/${command}`] : directories.map((directory) => `${directory.replace(/\/+$/, "")}/${command}`);
}

function planRights(context: LinuxContainerSecurityContext | undefined, rights: NodeRights): ProcessSpec["capabilities"] {
  const { addCapabilities = [], dropCapabilities = [], addAmbientCapabilities = [] } = context?.capabilities ?? {};
  const privileged = context?.privileged ?? false;
  try {
    return planCapabilities(
      { privileged, add: addCapabilities, drop: dropCapabilities, addAmbient: addAmbientCapabilities },
      rights.capabilities,
    );
  } catch (error) {
    throw new RuntimeError("INVALID_ARGUMENT", `failed to generate container spec: ${(error as Error).message}`);
  }
}

function planSeccomp(context: LinuxContainerSecurityContext | undefined, granted: bigint, inputs: ProcessInputs): Uint8Array | undefined {
  const architecture = inputs.rights.architecture;
  if (context?.privileged === true) return undefined;
  const profile = context?.seccomp;
  // Without any wish the CRI leaves the choice to the runtime: unconfined, as containerd does.
  if (profile === undefined || profile.profileType === seccompUnconfined) return undefined;
  if (profile.profileType === seccompRuntimeDefault) {
    const names = new Set(capabilityNames.filter((_, number) => (granted >> BigInt(number)) & 1n));
    return compileSeccomp(runtimeDefaultProfile(architecture, names), architecture);
  }
  if (inputs.localhostSeccomp === undefined)
    throw new RuntimeError("INVALID_ARGUMENT", `seccomp profile ${JSON.stringify(profile.localhostRef)} was not loaded`);
  return compileSeccomp(inputs.localhostSeccomp, architecture);
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}
