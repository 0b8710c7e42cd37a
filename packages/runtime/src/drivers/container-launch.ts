// From a container's record to the launcher's input: looks up on the node what the pure plans need to know.
import { lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ContainerConfig, type LinuxContainerSecurityContext, type Mount, MountPropagation, NamespaceMode } from "@lenj/proto/cri";
import { RuntimeError } from "../core/errors.js";
import type { ContainerLaunch, NamespacePath } from "../core/launch/container-program.js";
import { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUTS } from "../core/launch/kernel-constants.js";
import type { Propagation } from "../core/launch/mount-steps.js";
import type { ProcessSpec } from "../core/launch/process-steps.js";
import { type DeviceNode, decodeDevice, planMounts, type RequestedMount } from "../core/mount-plan.js";
import { planProcess } from "../core/process-plan.js";
import type { ContainerRecord, SandboxRecord } from "../core/records.js";
import type { SeccompProfile } from "../core/seccomp/bpf.js";
import type { Environment } from "./environment.js";
import type { StoredImage } from "./images/image-store.js";
import { exitDraft, networkPin, pidFile, pipe, runDirectory, sharedMemory, shimName } from "./layout.js";
import { readTextInRoot } from "./rooted-path.js";
import { sandboxFiles } from "./sandbox-files.js";

const seccompLocalhost = 2;
const propagations: Readonly<Record<number, Propagation>> = {
  [MountPropagation.PROPAGATION_PRIVATE]: "private",
  [MountPropagation.PROPAGATION_HOST_TO_CONTAINER]: "slave",
  [MountPropagation.PROPAGATION_BIDIRECTIONAL]: "shared",
};

/** Who a container runs as and what it executes. Throws RuntimeError for a config that cannot be. */
export function describeProcess(
  environment: Environment,
  config: ContainerConfig,
  sandbox: SandboxRecord,
  image: StoredImage,
): ProcessSpec {
  const hostname = readTextInRoot(environment.sandboxRecords.directoryOf(sandbox.id), "hostname").trim();
  return planProcess({
    config,
    image: image.config,
    accounts: { passwd: readTextInRoot(image.rootfs, "/etc/passwd"), group: readTextInRoot(image.rootfs, "/etc/group") },
    rights: environment.rights,
    hostname,
    localhostSeccomp: loadLocalhostSeccomp(environment, config.linux?.securityContext),
  });
}

/** The devices that a container gets beyond the standard ones; a privileged one gets all of the node's. */
export function observeDevices(config: ContainerConfig): (DeviceNode & { permissions: string })[] {
  const privileged = config.linux?.securityContext?.privileged === true;
  const requested = privileged ? walkDevices("/dev", "/dev", "rwm") : [];
  return [
    ...requested,
    ...config.devices.flatMap((device) =>
      walkDevices(device.hostPath, device.containerPath || device.hostPath, device.permissions || "rwm"),
    ),
  ];
}

/** Everything that the launcher needs. `targetPID`: first process of the container whose pid namespace is to be shared. */
export function describeLaunch(
  environment: Environment,
  record: ContainerRecord,
  sandbox: SandboxRecord,
  image: StoredImage,
  targetPID: number | undefined,
): ContainerLaunch {
  const { layout, rights, cgroups, exits } = environment;
  const { id, config } = record;
  const context = config.linux?.securityContext;
  const privileged = context?.privileged ?? false;
  const directory = environment.containerRecords.directoryOf(id);
  const rootfs = join(runDirectory(layout, id), "rootfs");
  mkdirSync(rootfs, { recursive: true });
  for (const name of ["upper", "work"]) mkdirSync(join(directory, name), { recursive: true, mode: 0o755 });
  const namespaces = planNamespaces(environment, sandbox, context, targetPID);
  const ownsIPC = sandbox.config.linux?.securityContext?.namespaceOptions?.ipc !== NamespaceMode.NODE;
  return {
    architecture: rights.architecture,
    shimName,
    pidFile: pidFile(layout, id),
    exitFile: exits.fileOf(id),
    exitDraft: exitDraft(layout, id),
    io: {
      stdin: config.stdin ? pipe(layout, id, "stdin") : undefined,
      stdout: pipe(layout, id, "stdout"),
      stderr: config.tty ? undefined : pipe(layout, id, "stderr"),
      control: pipe(layout, id, "control"),
      terminal: config.tty,
    },
    ...namespaces,
    newCgroupNamespace: !privileged && cgroups.kind !== "none",
    cgroupProcs: cgroups.procsFiles(record.cgroupPath),
    oomScoreAdj: Number(config.linux?.resources?.oomScoreAdj ?? 0n),
    rootfs,
    overlayOptions: `lowerdir=${image.rootfs},upperdir=${join(directory, "upper")},workdir=${join(directory, "work")}`,
    mounts: planMounts({
      requested: config.mounts.map((mount) => observeMount(environment, mount)),
      sandboxFiles: sandboxFiles(environment.sandboxRecords.directoryOf(sandbox.id)),
      sharedMemory: ownsIPC ? sharedMemory(layout, sandbox.id) : "/dev/shm",
      devices: observeDevices(config),
      cgroups: cgroups.views,
      privileged,
      makesDevices: rights.makesDevices,
      ownsNetwork: namespaces.joinNamespaces.some((namespace) => namespace.type === CLONE_NEWNET) || rights.makesDevices,
      terminal: config.tty,
      maskedPaths: context?.maskedPaths ?? [],
      readonlyPaths: context?.readonlyPaths ?? [],
    }),
    readonlyRootfs: context?.readonlyRootfs ?? false,
    process: describeProcess(environment, config, sandbox, image),
  };
}

function planNamespaces(
  environment: Environment,
  sandbox: SandboxRecord,
  context: LinuxContainerSecurityContext | undefined,
  targetPID: number | undefined,
): { joinNamespaces: NamespacePath[]; newPidNamespace: boolean } {
  if (sandbox.state.name !== "ready") throw new RuntimeError("UNKNOWN", `sandbox container "${sandbox.id}" is not running`);
  const pause = `/proc/${sandbox.state.pid}/ns`;
  const pod = sandbox.config.linux?.securityContext?.namespaceOptions;
  const join_: NamespacePath[] = [];
  if (pod?.ipc !== NamespaceMode.NODE) join_.push({ path: `${pause}/ipc`, type: CLONE_NEWIPC });
  if (pod?.network !== NamespaceMode.NODE) {
    join_.push({ path: `${pause}/uts`, type: CLONE_NEWUTS });
    join_.push({ path: networkPin(environment.layout, sandbox.id), type: CLONE_NEWNET });
  }
  // The container's own wish decides; the pod's is the kubelet's default for it.
  const pid = context?.namespaceOptions?.pid ?? pod?.pid ?? NamespaceMode.POD;
  if (pid === NamespaceMode.POD) join_.push({ path: `${pause}/pid`, type: CLONE_NEWPID });
  if (pid === NamespaceMode.TARGET) {
    if (targetPID === undefined)
      throw new RuntimeError("INVALID_ARGUMENT", `invalid target container: "${context?.namespaceOptions?.targetId}" is not running`);
    join_.push({ path: `/proc/${targetPID}/ns/pid`, type: CLONE_NEWPID });
  }
  return { joinNamespaces: join_, newPidNamespace: pid === NamespaceMode.CONTAINER };
}

function observeMount(environment: Environment, mount: Mount): RequestedMount {
  let source: string;
  if (mount.image !== undefined && mount.image.image !== "") {
    const image = environment.images.find(mount.image.image);
    if (image === undefined) throw new RuntimeError("NOT_FOUND", `failed to mount image volume: image "${mount.image.image}" not found`);
    source = join(image.rootfs, mount.imageSubPath);
  } else {
    source = mount.hostPath;
  }
  let isDirectory: boolean;
  try {
    source = realpathSync(source);
    isDirectory = statSync(source).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      throw new RuntimeError("UNKNOWN", `failed to stat "${source}": ${(error as Error).message}`);
    // Upstream's CRI plugin makes missing sources as directories.
    mkdirSync(source, { recursive: true, mode: 0o755 });
    isDirectory = true;
  }
  return {
    containerPath: mount.containerPath,
    source,
    isDirectory,
    readonly: mount.readonly || mount.image !== undefined,
    recursiveReadonly: mount.recursiveReadOnly,
    propagation: propagations[mount.propagation] ?? "private",
  };
}

function walkDevices(hostPath: string, containerPath: string, permissions: string): (DeviceNode & { permissions: string })[] {
  let info: ReturnType<typeof lstatSync>;
  try {
    info = hostPath === "/dev" ? statSync(hostPath) : lstatSync(hostPath);
  } catch (error) {
    throw new RuntimeError("UNKNOWN", `failed to set devices mapping: lstat ${hostPath}: ${(error as Error).message}`);
  }
  if (info.isSymbolicLink())
    return hostPath.startsWith("/dev/") && containerPath === hostPath
      ? []
      : walkDevices(realpathSync(hostPath), containerPath, permissions);
  if (info.isDirectory()) {
    const skipped = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"]);
    return readdirSync(hostPath)
      .filter((name) => !skipped.has(name))
      .flatMap((name) => walkDevices(join(hostPath, name), join(containerPath, name), permissions));
  }
  if (!info.isCharacterDevice() && !info.isBlockDevice()) return [];
  return [
    {
      containerPath,
      hostPath,
      kind: info.isBlockDevice() ? "block" : "character",
      ...decodeDevice(info.rdev),
      mode: info.mode & 0o777,
      uid: info.uid,
      gid: info.gid,
      permissions,
    },
  ];
}

function loadLocalhostSeccomp(environment: Environment, context: LinuxContainerSecurityContext | undefined): SeccompProfile | undefined {
  if (context?.seccomp?.profileType !== seccompLocalhost) return undefined;
  const path = context.seccomp.localhostRef.startsWith("/")
    ? context.seccomp.localhostRef
    : join(environment.seccompDirectory, context.seccomp.localhostRef);
  try {
    return JSON.parse(readFileSync(path, "utf8")) as SeccompProfile;
  } catch (error) {
    throw new RuntimeError(
      "UNKNOWN",
      `failed to generate seccomp spec opts: cannot load seccomp profile "${path}": ${(error as Error).message}`,
    );
  }
}
