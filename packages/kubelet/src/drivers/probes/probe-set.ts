// The probes of all pods: a timer and a state machine each.
//
// Owns:  the timers and the machines (core/probes).
// Q1. One probe of a container runs at a time; a slow one delays its next, not others.
// Q2. `onChange` is called after the new verdict can be read.
import type { Clock, Logger, Random, Timer } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import { type ProbeKind, type ProbeSubject, type ProbeVerdict, ProbeWorker, probeDefaults } from "../../core/probes/probe-worker.js";
import type { CRIClient } from "../cri/cri-client.js";
import { runProbe } from "./handlers.js";

export interface ProbeSetOptions {
  readonly cri: CRIClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The container as it is now, or undefined while there is none. */
  readonly subject: (uid: string, containerName: string, kind: ProbeKind) => ProbeSubject | undefined;
  readonly podIP: (uid: string) => string;
  readonly onChange: (uid: string) => void;
  readonly onUnhealthy: (uid: string, containerName: string, message: string) => void;
}

interface Running {
  readonly worker: ProbeWorker;
  readonly container: corev1.Container;
  timer: Timer | undefined;
  busy: boolean;
  closed: boolean;
}

const kinds: readonly (readonly [ProbeKind, "livenessProbe" | "readinessProbe" | "startupProbe"])[] = [
  ["liveness", "livenessProbe"],
  ["readiness", "readinessProbe"],
  ["startup", "startupProbe"],
];

export class ProbeSet {
  readonly #pods = new Map<string, Map<string, Running>>();

  constructor(readonly options: ProbeSetOptions) {}

  /** Starts the probes of a pod's containers and sidecars; those already running go on. */
  addPod(uid: string, pod: corev1.Pod): void {
    const running = this.#pods.get(uid) ?? new Map<string, Running>();
    this.#pods.set(uid, running);
    const containers = [
      ...(pod.spec?.containers ?? []),
      ...(pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === "Always"),
    ];
    for (const container of containers) {
      for (const [kind, field] of kinds) {
        const probe = container[field];
        const key = `${container.name}/${kind}`;
        if (probe === undefined || running.has(key)) continue;
        const entry: Running = { worker: new ProbeWorker(kind, probe), container, timer: undefined, busy: false, closed: false };
        running.set(key, entry);
        // Spread, so that pods that started together are not probed together for ever.
        this.#schedule(uid, entry, this.options.random.next() * Math.min(1_000, periodMs(probe)));
      }
    }
  }

  removePod(uid: string): void {
    for (const entry of this.#pods.get(uid)?.values() ?? []) {
      entry.closed = true;
      entry.timer?.cancel();
    }
    this.#pods.delete(uid);
  }

  verdict(uid: string, containerName: string, kind: ProbeKind, containerID: string): ProbeVerdict {
    return this.#pods.get(uid)?.get(`${containerName}/${kind}`)?.worker.verdict(containerID) ?? "unknown";
  }

  /** Looks at a pod's probes now: its containers changed. */
  poke(uid: string): void {
    for (const entry of this.#pods.get(uid)?.values() ?? []) {
      // Lets the machine meet a new container at once; the probe itself keeps its rhythm unless it never ran.
      const subject = this.options.subject(uid, entry.container.name, entry.worker.kind);
      if (subject !== undefined && entry.worker.verdict(subject.containerID) === "unknown") this.#schedule(uid, entry, 0);
    }
  }

  close(): void {
    for (const uid of [...this.#pods.keys()]) this.removePod(uid);
  }

  #schedule(uid: string, entry: Running, delayMs: number): void {
    if (entry.closed || entry.busy) return;
    entry.timer?.cancel();
    entry.timer = this.options.clock.after(delayMs, () => this.#tick(uid, entry));
  }

  #tick(uid: string, entry: Running): void {
    const { clock, subject: find } = this.options;
    const subject = find(uid, entry.container.name, entry.worker.kind);
    const tick = entry.worker.tick(subject, clock.wallMs());
    if (tick.verb === "wait") {
      this.#schedule(uid, entry, waitMs(entry.worker.probe, subject, clock.wallMs()));
      return;
    }
    entry.busy = true;
    const startedMs = clock.monotonicMs();
    // Failures are outcomes; runProbe does not reject.
    void this.#probe(uid, entry, tick.containerID).finally(() => {
      entry.busy = false;
      this.#schedule(uid, entry, Math.max(periodMs(entry.worker.probe) - (clock.monotonicMs() - startedMs), 10));
    });
  }

  async #probe(uid: string, entry: Running, containerID: string): Promise<void> {
    const { worker, container } = entry;
    const timeoutMs = (worker.probe.timeoutSeconds ?? probeDefaults.timeoutSeconds) * 1000;
    const outcome = await runProbe(this.options.cri, worker.probe, { containerID, container, podIP: this.options.podIP(uid) }, timeoutMs);
    if (entry.closed) return;
    if (outcome.result !== "success") {
      const name = `${worker.kind.charAt(0).toUpperCase()}${worker.kind.slice(1)}`;
      this.options.onUnhealthy(
        uid,
        container.name,
        outcome.result === "error" ? `${name} probe errored: ${outcome.output}` : `${name} probe failed: ${outcome.output}`,
      );
    }
    // Upstream treats a probe that could not be made as no outcome at all.
    if (outcome.result === "error") return;
    if (worker.onOutcome(containerID, outcome.result === "success")) this.options.onChange(uid);
  }
}

function periodMs(probe: corev1.Probe): number {
  return (probe.periodSeconds ?? probeDefaults.periodSeconds) * 1000;
}

// Until the initial delay is over there is nothing to do but wait for exactly that.
function waitMs(probe: corev1.Probe, subject: ProbeSubject | undefined, nowMs: number): number {
  const period = periodMs(probe);
  if (subject === undefined || !subject.running) return Math.min(period, 1_000);
  const delayLeft = subject.startedAtMs + (probe.initialDelaySeconds ?? 0) * 1000 - nowMs;
  return delayLeft > 0 ? delayLeft : Math.min(period, 1_000);
}
