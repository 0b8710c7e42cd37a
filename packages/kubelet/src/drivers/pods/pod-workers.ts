// All pods of the node: admission, one worker each, and what remains of pods that nobody wants.
//
// Owns:  the workers; the verdict on pods that are refused.
// W1. A pod is admitted once, before anything of it is made; one that already runs here (after a restart) was admitted before.
// W2. Nothing in the runtime, on disk or in the cgroups is treated as left over before all sources were read once.
// Source: pkg/kubelet/kubelet_pods.go HandlePodCleanups, kubelet.go HandlePodAdditions.
import { rm } from "node:fs/promises";
import type { corev1 } from "@lenj/proto/k8s";
import { type AdmitInput, admitPod } from "../../core/node/admit.js";
import { planGarbage } from "../../core/pod/garbage.js";
import { podKey, podLogDirectory, podUID } from "../../core/pod/identity.js";
import { isTerminalPhase } from "../../core/pod/phase.js";
import { type PodVerdict, rejectedStatus } from "../../core/pod/status.js";
import type { PodRuntimeState } from "../../core/runtime-state.js";
import { criErrorCode, criNotFound } from "../cri/cri-client.js";
import type { PodPorts } from "./pod-ports.js";
import { stopPod } from "./pod-stopper.js";
import { PodWorker } from "./pod-worker.js";

/** Leftovers of pods nobody describes any more get one second. */
const orphanGraceSeconds = 1;

export class PodWorkers {
  readonly #workers = new Map<string, PodWorker>();
  /** Refused pods: they stay refused whatever else changes. */
  readonly #rejected = new Set<string>();
  /** Gone from their source, but still stopping. */
  readonly #leaving = new Set<string>();
  readonly #closing = new Set<Promise<void>>();

  constructor(
    readonly ports: PodPorts,
    readonly admission: () => Omit<AdmitInput, "pod" | "others">,
  ) {}

  get(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }

  all(): PodWorker[] {
    return [...this.#workers.values()];
  }

  /** Pods that take up room here: wanted and not finished. */
  active(): corev1.Pod[] {
    return this.all()
      .filter((worker) => worker.stage !== "stopped")
      .map((worker) => worker.pod);
  }

  /** A pod is wanted here, or changed. */
  onPod(pod: corev1.Pod): void {
    const uid = podUID(pod);
    const known = this.#workers.get(uid);
    if (known !== undefined) {
      known.update(pod);
      return;
    }
    if (this.#rejected.has(uid)) return;
    const verdict = this.#admit(pod);
    if (verdict !== undefined) {
      this.#reject(pod, verdict);
      return;
    }
    const worker = new PodWorker(this.ports, pod);
    this.#workers.set(uid, worker);
    worker.start();
  }

  /** A pod is not wanted any more: its source has dropped it. */
  onGone(uid: string): void {
    const worker = this.#workers.get(uid);
    this.ports.reporter.forget(uid);
    this.#rejected.delete(uid);
    if (worker === undefined) return;
    if (worker.stage === "stopped") {
      this.#remove(worker);
      return;
    }
    // Deleted without a word: it still gets its signal, and is collected when it has stopped.
    this.#leaving.add(uid);
    worker.stop({ graceSeconds: orphanGraceSeconds });
  }

  wake(uid: string): void {
    this.#workers.get(uid)?.wake();
  }

  /** Removes dead containers, and everything of pods that are gone (W2: call only once all sources are known). */
  async housekeep(signal: AbortSignal): Promise<void> {
    for (const uid of [...this.#leaving]) {
      const worker = this.#workers.get(uid);
      if (worker === undefined || worker.stage === "stopped") {
        this.#leaving.delete(uid);
        if (worker !== undefined) this.#remove(worker);
      }
    }
    const { observer, volumes, cgroups, settings, logger } = this.ports;
    for (const runtime of observer.all()) {
      try {
        await this.#collect(runtime, signal);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn("Removing leftovers of a pod failed", { pod: `${runtime.namespace}/${runtime.name}`, error: (error as Error).message });
      }
    }
    const isOrphan = (uid: string): boolean =>
      !this.#workers.has(uid) && (observer.get(uid)?.containers ?? []).every((container) => container.state !== "running");
    for (const uid of (await volumes.present()).filter(isOrphan)) {
      await volumes
        .remove(uid)
        .catch((error: unknown) => logger.warn("Removing an orphaned pod folder failed", { uid, error: (error as Error).message }));
    }
    if (!settings.hasCgroups) return;
    for (const uid of [...(await cgroups.pods())].filter(isOrphan)) {
      await cgroups
        .removePod(uid)
        .catch((error: unknown) => logger.debug("Removing an orphaned cgroup failed", { uid, error: (error as Error).message }));
    }
    await cgroups.updateQOS(this.active());
  }

  /** Ends all workers; containers go on. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.all().map((worker) => worker.close()), ...this.#closing]);
  }

  #admit(pod: corev1.Pod): PodVerdict | undefined {
    if (isTerminalPhase(pod.status?.phase) || pod.metadata?.deletionTimestamp !== undefined) return undefined;
    // W1.
    if ((this.ports.observer.get(podUID(pod))?.containers.length ?? 0) > 0) return undefined;
    return admitPod({ ...this.admission(), pod, others: this.active() });
  }

  #reject(pod: corev1.Pod, verdict: PodVerdict): void {
    const { events, reporter, clock, logger } = this.ports;
    this.#rejected.add(podUID(pod));
    logger.info("Pod was rejected", { pod: podKey(pod), reason: verdict.reason });
    events.record(pod, "Warning", verdict.reason, verdict.message);
    reporter.report(pod, rejectedStatus(pod, verdict, clock.wallMs()));
    reporter.onCleaned(pod);
  }

  #remove(worker: PodWorker): void {
    this.#workers.delete(worker.uid);
    const closing = worker.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async #collect(runtime: PodRuntimeState, signal: AbortSignal): Promise<void> {
    const { cri, observer, logger } = this.ports;
    const wanted = this.#workers.has(runtime.uid);
    if (
      !wanted &&
      (runtime.containers.some((container) => container.state === "running") || runtime.sandboxes.some((sandbox) => sandbox.ready))
    ) {
      logger.info("Stopping a pod that nobody wants", { pod: `${runtime.namespace}/${runtime.name}`, uid: runtime.uid });
      await stopPod(this.ports, { pod: undefined, runtime, graceSeconds: orphanGraceSeconds, hooked: new Set(), signal });
      await observer.observe(runtime.uid, signal);
    }
    const state = observer.get(runtime.uid) ?? runtime;
    const garbage = planGarbage(state, wanted);
    for (const id of garbage.containerIDs) {
      await ignoreGone(cri.removeContainer(id, { signal }));
      const logPath = state.containers.find((container) => container.id === id)?.logPath;
      if (logPath !== undefined && logPath !== "") await rm(logPath, { force: true });
    }
    for (const id of garbage.sandboxIDs) await ignoreGone(cri.removePodSandbox(id, { signal }));
    if (!wanted) await rm(podLogDirectory(this.ports.settings.podLogRoot, runtime), { recursive: true, force: true });
    if (garbage.containerIDs.length + garbage.sandboxIDs.length > 0) await observer.observe(runtime.uid, signal);
  }
}

async function ignoreGone(promise: Promise<void>): Promise<void> {
  await promise.catch((error: unknown) => {
    if (criErrorCode(error) !== criNotFound) throw error;
  });
}
