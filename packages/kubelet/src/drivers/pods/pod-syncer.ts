// One sync of a pod that is to run: folders, cgroup, volumes, then the steps of its plan. Upstream: Kubelet.SyncPod, kuberuntime SyncPod.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type * as wire from "@lenj/proto/cri";
import type { corev1 } from "@lenj/proto/k8s";
import type { Draft } from "../../core/cri/draft.js";
import { sandboxConfig } from "../../core/cri/sandbox-config.js";
import type { DownwardFacts } from "../../core/env/field-ref.js";
import { hostNetworkHostsFile, hostsFile, kernelHostname, podHostname } from "../../core/network/hosts-file.js";
import { podDNS } from "../../core/network/resolv-conf.js";
import type { Backoff } from "../../core/pod/backoff.js";
import type { WaitingReason } from "../../core/pod/container-status.js";
import { findPodContainer } from "../../core/pod/containers.js";
import { formatPod, podLogDirectory, podName, podNamespace, podUID } from "../../core/pod/identity.js";
import { backoffKey, type ContainerFindings, type PodPlan, planPod } from "../../core/pod/plan.js";
import { probeGraceSeconds } from "../../core/pod/termination.js";
import { latestContainer, type PodRuntimeState } from "../../core/runtime-state.js";
import { describeCRIError } from "../cri/cri-client.js";
import { VolumeError } from "../volumes/pod-volumes.js";
import { startContainer } from "./container-starter.js";
import type { PodPorts } from "./pod-ports.js";
import { stopContainer, stopPod } from "./pod-stopper.js";

export interface SyncInput {
  readonly pod: corev1.Pod;
  readonly runtime: PodRuntimeState;
  readonly findings: ContainerFindings;
  readonly backoff: Backoff;
  readonly previous: corev1.PodStatus;
  readonly hooked: Set<string>;
  readonly signal: AbortSignal;
  /** Called whenever the runtime changed under the pod's status. */
  readonly onProgress: (waiting: ReadonlyMap<string, WaitingReason>) => Promise<void>;
}

export interface SyncOutcome {
  /** Why containers that should run do not, by name. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** Wall-clock time of the next thing to do; undefined: nothing but the regular sync. */
  readonly retryAtMs: number | undefined;
}

/** Retry of a failed start that has no time of its own. Upstream: backOffPeriod. */
const retryMs = 10_000;

export class PodSyncer {
  constructor(readonly ports: PodPorts) {}

  /** Rejects with VolumeError, or with the runtime's error when the sandbox cannot be made. */
  async sync(input: SyncInput): Promise<SyncOutcome> {
    const { pod, signal } = input;
    const { ports } = this;
    const problem = pod.spec?.hostNetwork === true ? undefined : ports.networkProblem();
    if (problem !== undefined) {
      ports.events.record(pod, "Warning", "NetworkNotReady", `network is not ready: ${problem}`);
      throw new Error(`network is not ready: ${problem}`);
    }
    await this.#makeFolders(pod);
    if (ports.settings.hasCgroups) await ports.cgroups.ensurePod(pod, ports.settings.podPidsMax);
    const facts = this.#facts(pod, input.runtime);
    const volumePaths = await ports.volumes.prepare(facts, signal).catch((error: unknown) => {
      if (error instanceof VolumeError)
        ports.events.record(
          pod,
          "Warning",
          "FailedMount",
          `MountVolume.SetUp failed for volume ${JSON.stringify(error.volume)} : ${error.message}`,
        );
      throw error;
    });
    const nowMs = ports.clock.wallMs();
    const plan = planPod({ pod, runtime: input.runtime, findings: input.findings, backoff: input.backoff, nowMs });
    this.#log(pod, plan);
    return this.#execute(plan, input, volumePaths);
  }

  async #execute(plan: PodPlan, input: SyncInput, volumePaths: ReadonlyMap<string, string>): Promise<SyncOutcome> {
    const { pod, signal } = input;
    const { ports } = this;
    const waiting = new Map<string, WaitingReason>();
    let retryAtMs: number | undefined;
    for (const held of plan.heldBack) {
      waiting.set(held.name, { reason: "CrashLoopBackOff", message: held.message });
      retryAtMs = earliest(retryAtMs, held.untilMs);
      ports.events.record(
        pod,
        "Warning",
        "BackOff",
        `Back-off restarting failed container ${held.name} in pod ${formatPod(pod)}`,
        held.name,
      );
    }
    let runtime = input.runtime;
    if (plan.killPod !== undefined) {
      if (plan.createSandbox !== undefined && plan.createSandbox.attempt > 0)
        ports.events.record(pod, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
      await stopPod(ports, { pod, runtime, graceSeconds: pod.spec?.terminationGracePeriodSeconds ?? 30, hooked: input.hooked, signal });
    }
    for (const step of plan.kill) {
      const container = findPodContainer(pod, step.name)?.container;
      await stopContainer(ports, {
        pod,
        container,
        containerID: step.containerID,
        name: step.name,
        graceSeconds: probeGraceSeconds(pod, container, step.reason),
        message: step.because,
        podIP: runtime.sandboxes[0]?.ips[0] ?? "",
        hooked: input.hooked,
        signal,
      });
    }
    if (plan.killPod !== undefined || plan.kill.length > 0) {
      runtime = await ports.observer.observe(podUID(pod), signal);
      await input.onProgress(waiting);
    }
    const attempt = plan.createSandbox?.attempt ?? runtime.sandboxes[0]?.attempt ?? 0;
    const config = this.#sandboxConfig(pod, attempt);
    if (plan.createSandbox !== undefined) {
      await this.#createSandbox(pod, config, signal);
      runtime = await ports.observer.observe(podUID(pod), signal);
      await input.onProgress(waiting);
    }
    const sandbox = runtime.sandboxes[0];
    if (sandbox === undefined || plan.start.length === 0) return { waiting, retryAtMs };
    const facts = this.#facts(pod, runtime);
    const hosts = await this.#writeHostsFile(facts);
    for (const step of plan.start) {
      const found = findPodContainer(pod, step.name);
      if (found === undefined) continue;
      const latest = latestContainer(runtime, step.name);
      const key = backoffKey(pod, found.container);
      if (latest?.state === "exited") input.backoff.next(key, latest.finishedAtMs, ports.clock.wallMs());
      const before = [...(input.previous.containerStatuses ?? []), ...(input.previous.initContainerStatuses ?? [])].find(
        (status) => status.name === step.name,
      );
      const failure = await startContainer(ports, {
        facts,
        role: step.role,
        container: found.container,
        runtime,
        sandboxID: sandbox.id,
        sandboxConfig: config,
        volumePaths,
        hostsFile: hosts,
        previousRestarts: before?.containerID === undefined ? undefined : before.restartCount,
        signal,
      });
      runtime = await ports.observer.observe(podUID(pod), signal);
      if (failure !== undefined) {
        waiting.set(step.name, failure);
        const wallNowMs = ports.clock.wallMs();
        retryAtMs = earliest(
          retryAtMs,
          failure.retryAtMs === undefined ? wallNowMs + retryMs : wallNowMs + Math.max(failure.retryAtMs - ports.clock.monotonicMs(), 0),
        );
      }
      await input.onProgress(waiting);
    }
    return { waiting, retryAtMs };
  }

  async #createSandbox(pod: corev1.Pod, config: Draft<wire.PodSandboxConfig>, signal: AbortSignal): Promise<void> {
    const { ports } = this;
    const handler = ports.runtimeHandler(pod.spec?.runtimeClassName);
    try {
      if (handler === undefined)
        throw new Error(
          `failed to get RuntimeClass ${pod.spec?.runtimeClassName}: runtimeclasses.node.k8s.io ${JSON.stringify(pod.spec?.runtimeClassName)} not found`,
        );
      await ports.cri.runPodSandbox(config, handler, { signal });
    } catch (error) {
      if (!signal.aborted)
        ports.events.record(pod, "Warning", "FailedCreatePodSandBox", `Failed to create pod sandbox: ${describeCRIError(error)}`);
      throw error;
    }
  }

  #sandboxConfig(pod: corev1.Pod, attempt: number): Draft<wire.PodSandboxConfig> {
    const { settings, events } = this.ports;
    const { dns, problem } = podDNS(pod, {
      clusterDNS: settings.clusterDNS,
      clusterDomain: settings.clusterDomain,
      node: this.ports.nodeDNS(),
    });
    if (problem !== undefined) events.record(pod, "Warning", "MissingClusterDNS", problem);
    return sandboxConfig({
      pod,
      attempt,
      dns,
      hostname: kernelHostname(pod, settings.clusterDomain),
      logRoot: settings.podLogRoot,
      cgroupRoot: settings.hasCgroups ? "" : undefined,
      pidsMax: settings.podPidsMax,
    });
  }

  #facts(pod: corev1.Pod, runtime: PodRuntimeState): DownwardFacts {
    const { settings } = this.ports;
    const podIPs = pod.spec?.hostNetwork === true ? settings.nodeIPs : (runtime.sandboxes[0]?.ips ?? []);
    return { pod, podIPs, hostIPs: settings.nodeIPs, allocatable: settings.allocatable };
  }

  async #makeFolders(pod: corev1.Pod): Promise<void> {
    const { volumes, settings } = this.ports;
    const folder = volumes.podDirectory(podUID(pod));
    await mkdir(join(folder, "volumes"), { recursive: true, mode: 0o750 });
    await mkdir(podLogDirectory(settings.podLogRoot, { namespace: podNamespace(pod), name: podName(pod), uid: podUID(pod) }), {
      recursive: true,
      mode: 0o755,
    });
  }

  async #writeHostsFile(facts: DownwardFacts): Promise<string> {
    const { pod } = facts;
    const path = join(this.ports.volumes.podDirectory(podUID(pod)), "etc-hosts");
    const aliases = pod.spec?.hostAliases ?? [];
    const text =
      pod.spec?.hostNetwork === true
        ? hostNetworkHostsFile(await readFile("/etc/hosts", "utf8").catch(() => "127.0.0.1\tlocalhost\n"), aliases)
        : hostsFile(facts.podIPs, podHostname(pod, this.ports.settings.clusterDomain), aliases);
    // In place, not by rename: running containers have this very file mounted.
    if ((await readFile(path, "utf8").catch(() => undefined)) !== text) await writeFile(path, text, { mode: 0o644 });
    return path;
  }

  #log(pod: corev1.Pod, plan: PodPlan): void {
    if (plan.killPod === undefined && plan.createSandbox === undefined && plan.kill.length === 0 && plan.start.length === 0) return;
    this.ports.logger.debug("Planned pod", {
      pod: `${podNamespace(pod)}/${podName(pod)}`,
      ...(plan.killPod === undefined ? {} : { killPod: plan.killPod.because }),
      ...(plan.createSandbox === undefined ? {} : { createSandbox: plan.createSandbox.because }),
      kill: plan.kill.map((step) => `${step.name}: ${step.because}`),
      start: plan.start.map((step) => `${step.name}: ${step.because}`),
    });
  }
}

function earliest(left: number | undefined, right: number): number {
  return left === undefined ? right : Math.min(left, right);
}
