// Starting one container: image, configuration, create, start, postStart hook. Upstream: startContainer in kuberuntime_container.go.
import { randomBytes } from "node:crypto";
import { chmod, mkdir, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { resources } from "@lenj/client";
import type * as wire from "@lenj/proto/cri";
import type { corev1 } from "@lenj/proto/k8s";
import { containerConfig, containerLogPath } from "../../core/cri/container-config.js";
import { type Draft, mountPropagation } from "../../core/cri/draft.js";
import { containerEnvironment, environmentReferences } from "../../core/env/environment.js";
import { expand } from "../../core/env/expand.js";
import type { DownwardFacts } from "../../core/env/field-ref.js";
import { serviceVariables } from "../../core/env/service-variables.js";
import { isKubeletCoreError, KubeletCoreError } from "../../core/errors.js";
import type { ContainerRole } from "../../core/pod/containers.js";
import { podLogDirectory, podName, podNamespace, podUID } from "../../core/pod/identity.js";
import { latestContainer, type PodRuntimeState } from "../../core/runtime-state.js";
import { describeCRIError } from "../cri/cri-client.js";
import { runHook } from "../hooks/lifecycle-hooks.js";
import type { PulledImage } from "../images/image-puller.js";
import { mountSubPath } from "../volumes/sub-path.js";
import type { PodPorts } from "./pod-ports.js";

export interface StartInput {
  readonly facts: DownwardFacts;
  readonly role: ContainerRole;
  readonly container: corev1.Container;
  readonly runtime: PodRuntimeState;
  readonly sandboxID: string;
  readonly sandboxConfig: Draft<wire.PodSandboxConfig>;
  readonly volumePaths: ReadonlyMap<string, string>;
  /** Path of the hosts file made for the pod. */
  readonly hostsFile: string;
  /** As the api-server has it: tells how often a container ran that the runtime has forgotten. */
  readonly previousRestarts: number | undefined;
  readonly signal: AbortSignal;
}

/** Why a container does not run: the waiting state to report. */
export interface StartFailure {
  readonly reason: string;
  readonly message: string;
  /** Monotonic; undefined: at the usual retry. */
  readonly retryAtMs?: number | undefined;
}

export async function startContainer(ports: PodPorts, input: StartInput): Promise<StartFailure | undefined> {
  const { pod } = input.facts;
  const { container, signal } = input;
  const record = (type: "Normal" | "Warning", reason: string, message: string): void =>
    ports.events.record(pod, type, reason, message, container.name);
  const image = await ports.images.ensure({ pod, container, sandboxConfig: input.sandboxConfig, event: record, signal });
  if ("reason" in image) {
    record("Warning", "Failed", `Error: ${image.reason}`);
    return image;
  }
  const attempt = nextAttempt(input);
  let config: Draft<wire.ContainerConfig>;
  try {
    config = await configure(ports, input, image, attempt);
  } catch (error) {
    if (signal.aborted) throw error;
    const message = isKubeletCoreError(error) ? error.message : (error as Error).message;
    record("Warning", "Failed", `Error: ${message}`);
    return { reason: "CreateContainerConfigError", message };
  }
  let containerID: string;
  try {
    containerID = await ports.cri.createContainer(input.sandboxID, config, input.sandboxConfig, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    const message = describeCRIError(error);
    record("Warning", "Failed", `Error: ${message}`);
    return { reason: "CreateContainerError", message };
  }
  record("Normal", "Created", "Container created");
  try {
    // From here on an abort must not leave a container half started: the call itself is short.
    await ports.cri.startContainer(containerID);
  } catch (error) {
    const message = describeCRIError(error);
    record("Warning", "Failed", `Error: ${message}`);
    return { reason: "RunContainerError", message };
  }
  record("Normal", "Started", "Container started");
  await linkLog(ports, input, containerID, attempt);
  return runPostStart(ports, input, containerID);
}

function nextAttempt(input: StartInput): number {
  const latest = latestContainer(input.runtime, input.container.name);
  if (latest !== undefined) return latest.restartCount + 1;
  return input.previousRestarts === undefined ? 0 : input.previousRestarts + 1;
}

async function configure(ports: PodPorts, input: StartInput, image: PulledImage, attempt: number): Promise<Draft<wire.ContainerConfig>> {
  const { facts, container } = input;
  const environment = await readEnvironment(ports, input);
  const mounts = await prepareMounts(ports, input, environment);
  const target = (container as corev1.EphemeralContainer).targetContainerName;
  const targetID = target === undefined || target === "" ? undefined : latestContainer(input.runtime, target)?.id;
  if (target !== undefined && target !== "" && targetID === undefined)
    throw new KubeletCoreError("CONFIG", `unable to find target container ${JSON.stringify(target)}`);
  const logFolder = podLogDirectory(ports.settings.podLogRoot, {
    namespace: podNamespace(facts.pod),
    name: podName(facts.pod),
    uid: podUID(facts.pod),
  });
  await mkdir(join(logFolder, container.name), { recursive: true, mode: 0o755 });
  return containerConfig({
    pod: facts.pod,
    container,
    attempt,
    imageID: image.id,
    imageUser: image.user,
    environment,
    mounts,
    devices: [],
    targetID,
    memoryCapacityBytes: ports.settings.memoryCapacityBytes,
  });
}

async function readEnvironment(ports: PodPorts, input: StartInput): Promise<Map<string, string>> {
  const { facts, container, signal } = input;
  const namespace = podNamespace(facts.pod);
  const references = environmentReferences(container);
  const [configMaps, secrets] = await Promise.all([
    ports.objects.getAll<corev1.ConfigMap>(resources.configMaps, namespace, references.configMaps, signal),
    ports.objects.getAll<corev1.Secret>(resources.secrets, namespace, references.secrets, signal),
  ]);
  return containerEnvironment(container, {
    ...facts,
    configMap: (name) => configMaps.get(name),
    secret: (name) => secrets.get(name),
    decodeBase64: (text) => Buffer.from(text, "base64").toString("utf8"),
    serviceVariables: serviceVariables(ports.services(), namespace, facts.pod.spec?.enableServiceLinks !== false),
  });
}

async function prepareMounts(ports: PodPorts, input: StartInput, environment: ReadonlyMap<string, string>): Promise<Draft<wire.Mount>[]> {
  const { facts, container } = input;
  const podFolder = ports.volumes.podDirectory(podUID(facts.pod));
  const mounts: Draft<wire.Mount>[] = [];
  for (const [position, mount] of (container.volumeMounts ?? []).entries()) {
    const volume = input.volumePaths.get(mount.name);
    if (volume === undefined)
      throw new KubeletCoreError(
        "CONFIG",
        `mount cannot be satisfied for container ${JSON.stringify(container.name)}, because the volume is missing or the volume mounter is nil: ${JSON.stringify(mount.name)}`,
      );
    const subPath =
      mount.subPathExpr === undefined || mount.subPathExpr === ""
        ? (mount.subPath ?? "")
        : expand(mount.subPathExpr, (name) => environment.get(name));
    let hostPath = volume;
    if (subPath !== "") {
      if (subPath.startsWith("/") || subPath.split("/").includes(".."))
        throw new KubeletCoreError(
          "CONFIG",
          `unable to provision SubPath ${JSON.stringify(subPath)}: must be a relative path without '..'`,
        );
      hostPath = join(podFolder, "volume-subpaths", mount.name, container.name, String(position));
      await mountSubPath(volume, subPath, hostPath);
    }
    mounts.push({
      containerPath: mount.mountPath.startsWith("/") ? mount.mountPath : `/${mount.mountPath}`,
      hostPath,
      readonly: mount.readOnly === true,
      propagation: mountPropagation[(mount.mountPropagation ?? "None") as keyof typeof mountPropagation] ?? 0,
      recursiveReadOnly: mount.recursiveReadOnly === "Enabled",
    });
  }
  const isMounted = (path: string): boolean => mounts.some((mount) => mount.containerPath === path);
  if (!isMounted("/etc/hosts")) mounts.push({ containerPath: "/etc/hosts", hostPath: input.hostsFile });
  const messagePath = container.terminationMessagePath ?? "/dev/termination-log";
  if (messagePath !== "" && !isMounted(messagePath))
    mounts.push({ containerPath: messagePath, hostPath: await makeTerminationLog(podFolder, container.name) });
  return mounts;
}

// A fresh file for each start, writable for whatever user the container runs as.
async function makeTerminationLog(podFolder: string, containerName: string): Promise<string> {
  const folder = join(podFolder, "containers", containerName);
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const path = join(folder, randomBytes(4).toString("hex"));
  await writeFile(path, "", { flag: "wx" });
  await chmod(path, 0o666);
  return path;
}

async function linkLog(ports: PodPorts, input: StartInput, containerID: string, attempt: number): Promise<void> {
  const { pod } = input.facts;
  const identity = { namespace: podNamespace(pod), name: podName(pod), uid: podUID(pod) };
  const target = join(podLogDirectory(ports.settings.podLogRoot, identity), containerLogPath(input.container.name, attempt));
  const link = join(ports.settings.containerLogRoot, `${identity.name}_${identity.namespace}_${input.container.name}-${containerID}.log`);
  await unlink(link).catch(() => undefined);
  // Log collectors follow these links; a container runs without one.
  await symlink(target, link).catch((error: unknown) =>
    ports.logger.debug("Linking a container log failed", { error: (error as Error).message }),
  );
}

async function runPostStart(ports: PodPorts, input: StartInput, containerID: string): Promise<StartFailure | undefined> {
  const { container, facts, signal } = input;
  const handler = container.lifecycle?.postStart;
  if (handler === undefined) return undefined;
  try {
    await runHook(ports, handler, { containerID, container, podIP: facts.podIPs[0] ?? "", timeoutMs: 0, signal });
    return undefined;
  } catch (error) {
    if (signal.aborted) throw error;
    const message = (error as Error).message;
    ports.events.record(facts.pod, "Warning", "FailedPostStartHook", `PostStartHook failed`, container.name);
    ports.events.record(facts.pod, "Normal", "Killing", "FailedPostStartHook", container.name);
    await ports.cri
      .stopContainer(containerID, 2)
      .catch((cause: unknown) =>
        ports.logger.warn("Stopping a container after its hook failed did not work", { error: describeCRIError(cause) }),
      );
    return { reason: "PostStartHookError", message };
  }
}
