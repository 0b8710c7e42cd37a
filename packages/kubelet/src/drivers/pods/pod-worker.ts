// Pod worker: drives one pod from wanted to running to gone.
//
// Owns:  the pod's stage, its back-offs, its loop. One step at a time; the loop's only wait is at its end.
// Not:   what to do in the runtime (core/pod/plan.ts), how it is done (pod-syncer.ts, pod-stopper.ts).
// K1. Stages only go forward: running → stopping → stopped.
// K2. A pod that is told to stop interrupts what its worker does (a pull, a hook) at once.
// K3. After `stopped` no container of the pod runs, its volumes are unmounted and its cgroup is gone.
// K4. A worker interrupted at any point leaves nothing that a new worker does not find in the runtime again.
// Source: pkg/kubelet/pod_workers.go.
import { delay } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import { Backoff } from "../../core/pod/backoff.js";
import type { WaitingReason } from "../../core/pod/container-status.js";
import { podKey, podUID } from "../../core/pod/identity.js";
import { isTerminalPhase } from "../../core/pod/phase.js";
import { type PodVerdict, podStatus } from "../../core/pod/status.js";
import { activeDeadlineMs, graceSeconds } from "../../core/pod/termination.js";
import { emptyRuntimeState, type PodRuntimeState } from "../../core/runtime-state.js";
import { parseTime } from "../../core/time-text.js";
import type { PodPorts } from "./pod-ports.js";
import { stopPod } from "./pod-stopper.js";
import { PodSyncer } from "./pod-syncer.js";

type Stage =
  | { readonly name: "running" }
  | { readonly name: "stopping"; readonly verdict: PodVerdict | undefined; readonly graceSeconds: number }
  | { readonly name: "stopped"; readonly verdict: PodVerdict | undefined };

const firstRetryMs = 500;
const maxRetryMs = 10_000;

export class PodWorker {
  readonly uid: string;
  readonly #syncer: PodSyncer;
  readonly #backoff = new Backoff();
  readonly #hooked = new Set<string>();
  readonly #close = new AbortController();
  #pod: corev1.Pod;
  #stage: Stage = { name: "running" };
  #waiting: ReadonlyMap<string, WaitingReason> = new Map();
  #interrupt = new AbortController();
  #wake = new AbortController();
  #retryMs = firstRetryMs;
  #loop: Promise<void> | undefined;

  constructor(
    readonly ports: PodPorts,
    pod: corev1.Pod,
  ) {
    this.#pod = pod;
    this.uid = podUID(pod);
    this.#syncer = new PodSyncer(ports);
    if (isTerminalPhase(pod.status?.phase)) this.#stage = { name: "stopping", verdict: undefined, graceSeconds: 1 };
    else if (pod.metadata?.deletionTimestamp !== undefined)
      this.#stage = { name: "stopping", verdict: undefined, graceSeconds: graceSeconds(pod, undefined) };
  }

  get pod(): corev1.Pod {
    return this.#pod;
  }

  get stage(): Stage["name"] {
    return this.#stage.name;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** A new version of the pod. */
  update(pod: corev1.Pod): void {
    this.#pod = pod;
    if (pod.metadata?.deletionTimestamp !== undefined) this.stop({ graceSeconds: graceSeconds(pod, undefined) });
    this.wake();
  }

  /** The runtime, a probe or the clock has news. */
  wake(): void {
    this.#wake.abort(new Error("There is news"));
  }

  /** Ends the pod (K1, K2). While it stops already, only a shorter period changes anything. */
  stop(options: { readonly verdict?: PodVerdict; readonly graceSeconds: number }): void {
    const stage = this.#stage;
    if (stage.name === "stopped" || (stage.name === "stopping" && options.graceSeconds >= stage.graceSeconds)) return;
    this.#stage = {
      name: "stopping",
      verdict: stage.name === "stopping" ? stage.verdict : options.verdict,
      graceSeconds: options.graceSeconds,
    };
    this.#interrupt.abort(new Error("The pod is to stop"));
    this.wake();
  }

  /** Ends the worker and leaves the pod's containers as they are (K4). */
  async close(): Promise<void> {
    this.#close.abort(new Error("Pod worker closed"));
    this.#interrupt.abort(new Error("Pod worker closed"));
    this.wake();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.ports;
    while (!this.#close.signal.aborted) {
      this.#wake = new AbortController();
      this.#interrupt = new AbortController();
      const wake = this.#wake.signal;
      let waitMs: number;
      try {
        waitMs = await this.#step(this.#interrupt.signal);
        this.#retryMs = firstRetryMs;
      } catch (error) {
        if (this.#close.signal.aborted) return;
        if (this.#interrupt.signal.aborted) continue;
        logger.warn("Error syncing pod, will retry", { pod: podKey(this.#pod), error: (error as Error).message, stage: this.#stage.name });
        waitMs = this.#retryMs;
        this.#retryMs = Math.min(this.#retryMs * 2, maxRetryMs);
      }
      await delay(clock, waitMs, wake).catch(() => undefined);
    }
  }

  /** Milliseconds until the next step is due by itself. */
  async #step(signal: AbortSignal): Promise<number> {
    switch (this.#stage.name) {
      case "running":
        return this.#syncRunning(signal);
      case "stopping":
        await this.#syncStopping(this.#stage, signal);
        return 0;
      case "stopped":
        // Told again after each update: the pod may have been marked for deletion since.
        this.ports.reporter.onCleaned(this.#pod);
        return this.#syncInterval();
    }
  }

  async #syncRunning(signal: AbortSignal): Promise<number> {
    const { observer, clock, probes } = this.ports;
    const runtime = await observer.observe(this.uid, signal);
    probes.addPod(this.uid, this.#pod);
    probes.poke(this.uid);
    const status = this.#report(runtime);
    if (isTerminalPhase(status.phase)) {
      this.stop({ graceSeconds: graceSeconds(this.#pod, undefined) });
      return 0;
    }
    const deadlineMs = activeDeadlineMs(this.#pod, parseTime(status.startTime ?? ""));
    if (deadlineMs !== undefined && clock.wallMs() >= deadlineMs) {
      this.ports.events.record(this.#pod, "Normal", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
      this.stop({
        verdict: { reason: "DeadlineExceeded", message: "Pod was active on the node longer than the specified deadline" },
        graceSeconds: graceSeconds(this.#pod, undefined),
      });
      return 0;
    }
    const outcome = await this.#syncer.sync({
      pod: this.#pod,
      runtime,
      findings: this.findings,
      backoff: this.#backoff,
      previous: status,
      hooked: this.#hooked,
      signal,
      onProgress: async (waiting) => {
        this.#waiting = new Map([...this.#waiting, ...waiting]);
        this.#report(observer.get(this.uid) ?? runtime);
        await Promise.resolve();
      },
    });
    this.#waiting = outcome.waiting;
    const after = this.#report(observer.get(this.uid) ?? emptyRuntimeState(this.uid, "", ""));
    probes.poke(this.uid);
    if (isTerminalPhase(after.phase)) return 0;
    const nowMs = clock.wallMs();
    const dueMs = [outcome.retryAtMs, deadlineMs]
      .filter((time): time is number => time !== undefined)
      .map((time) => Math.max(time - nowMs, 0));
    return Math.min(this.#syncInterval(), ...dueMs);
  }

  async #syncStopping(stage: Extract<Stage, { name: "stopping" }>, signal: AbortSignal): Promise<void> {
    const { observer, probes, volumes, cgroups, settings, tokens, images } = this.ports;
    this.#waiting = new Map();
    const before = await observer.observe(this.uid, signal);
    this.#report(before);
    await stopPod(this.ports, { pod: this.#pod, runtime: before, graceSeconds: stage.graceSeconds, hooked: this.#hooked, signal });
    const after = await observer.observe(this.uid, signal);
    if (after.containers.some((container) => container.state === "running"))
      throw new Error("Detected running containers after a successful stop");
    probes.removePod(this.uid);
    if (settings.hasCgroups) await cgroups.removePod(this.uid);
    // K1: from here on the status is the last one.
    this.#stage = { name: "stopped", verdict: stage.verdict };
    this.#report(after);
    tokens.forget(this.uid);
    images.forget(this.uid);
    await this.#removeVolumes(() => volumes.remove(this.uid));
  }

  // The folder must go before the pod may (K3); the worker stays on it without taking a stopped pod back to stopping.
  async #removeVolumes(remove: () => Promise<void>): Promise<void> {
    for (let retryMs = firstRetryMs; !this.#close.signal.aborted; retryMs = Math.min(retryMs * 2, maxRetryMs)) {
      try {
        await remove();
        return;
      } catch (error) {
        this.ports.logger.warn("Removing the volumes of a pod failed, will retry", {
          pod: podKey(this.#pod),
          error: (error as Error).message,
        });
        await delay(this.ports.clock, retryMs, this.#close.signal).catch(() => undefined);
      }
    }
  }

  get findings(): {
    liveness(containerID: string): "success" | "failure" | "unknown";
    startup(containerID: string): "success" | "failure" | "unknown";
    readiness(containerID: string): "success" | "failure" | "unknown";
  } {
    const { probes, observer } = this.ports;
    const nameOf = (containerID: string): string =>
      observer.get(this.uid)?.containers.find((container) => container.id === containerID)?.name ?? "";
    return {
      liveness: (containerID) => probes.verdict(this.uid, nameOf(containerID), "liveness", containerID),
      startup: (containerID) => probes.verdict(this.uid, nameOf(containerID), "startup", containerID),
      readiness: (containerID) => probes.verdict(this.uid, nameOf(containerID), "readiness", containerID),
    };
  }

  #report(runtime: PodRuntimeState): corev1.PodStatus {
    const { reporter, settings, clock, runtimeName } = this.ports;
    const own = reporter.get(this.uid);
    const theirs = this.#pod.status ?? {};
    if (own === undefined && isTerminalPhase(theirs.phase) && runtime.containers.length === 0) {
      // Finished before this kubelet started: there is nothing to add to what was said then.
      reporter.report(this.#pod, theirs);
      return theirs;
    }
    // What was computed here is newer than what the api-server shows, except for conditions of others.
    const previous =
      own === undefined
        ? theirs
        : {
            ...own,
            conditions: [
              ...(own.conditions ?? []),
              ...(theirs.conditions ?? []).filter((condition) => !(own.conditions ?? []).some((mine) => mine.type === condition.type)),
            ],
          };
    const status = podStatus({
      pod: this.#pod,
      runtime,
      runtimeName: runtimeName(),
      findings: this.findings,
      waiting: this.#waiting,
      previous,
      hostIPs: settings.nodeIPs,
      nowMs: clock.wallMs(),
      stage: this.#stage.name,
      verdict: this.#stage.name === "running" ? undefined : this.#stage.verdict,
    });
    reporter.report(this.#pod, status);
    return status;
  }

  #syncInterval(): number {
    // Spread over a fifth of the period, so that pods that started together do not sync together.
    return this.ports.settings.syncIntervalMs * (0.9 + 0.2 * this.ports.random.next());
  }
}
