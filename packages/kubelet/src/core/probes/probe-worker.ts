// One probe of one container, as a state machine that is asked what to do at each tick and told each outcome.
//
// Owns:  thresholds, initial delay, when probing pauses.
// Not:   the probe itself and its timer (drivers/probes).
// R1. The verdict changes only after failureThreshold failures or successThreshold successes in a row.
// R2. A new container starts from the probe's initial verdict; one that passed before the kubelet restarted, from success.
// R3. After a liveness or startup failure probing pauses until the container was replaced.
// R4. Liveness and readiness wait for the startup probe; a startup probe that succeeded is done.
// Source: pkg/kubelet/prober/worker.go.
import type { corev1 } from "@lenj/proto/k8s";

export type ProbeKind = "liveness" | "readiness" | "startup";
export type ProbeVerdict = "success" | "failure" | "unknown";

/** The container at this moment. */
export interface ProbeSubject {
  readonly containerID: string;
  readonly running: boolean;
  readonly startedAtMs: number;
  /** Startup probe passed, or there is none. */
  readonly started: boolean;
  readonly podEnding: boolean;
  /** The api-server was told that this very container passed this probe: holds across a restart of the kubelet. */
  readonly passedBefore: boolean;
}

export type ProbeTick = { readonly verb: "probe"; readonly containerID: string } | { readonly verb: "wait" };

export const probeDefaults = {
  timeoutSeconds: 1,
  periodSeconds: 10,
  successThreshold: 1,
  failureThreshold: 3,
  initialDelaySeconds: 0,
} as const;

const initialVerdict: Readonly<Record<ProbeKind, ProbeVerdict>> = { liveness: "success", readiness: "failure", startup: "unknown" };

export class ProbeWorker {
  #containerID = "";
  #verdict: ProbeVerdict;
  #runOutcome: boolean | undefined;
  #runLength = 0;
  #paused = false;

  constructor(
    readonly kind: ProbeKind,
    readonly probe: corev1.Probe,
  ) {
    this.#verdict = initialVerdict[kind];
  }

  /** The verdict on `containerID`; "unknown" for one this worker has not met. */
  verdict(containerID: string): ProbeVerdict {
    return this.#containerID === containerID ? this.#verdict : initialVerdict[this.kind] === "success" ? "success" : "unknown";
  }

  tick(subject: ProbeSubject | undefined, nowMs: number): ProbeTick {
    if (subject === undefined) return { verb: "wait" };
    if (subject.containerID !== this.#containerID) this.#meet(subject);
    if (this.#paused) return { verb: "wait" };
    if (!subject.running) {
      this.#verdict = "failure";
      return { verb: "wait" };
    }
    // A pod that is going away is not killed for being unhealthy.
    if (subject.podEnding && this.kind !== "readiness") {
      this.#verdict = "success";
      return { verb: "wait" };
    }
    if (nowMs - subject.startedAtMs < (this.probe.initialDelaySeconds ?? probeDefaults.initialDelaySeconds) * 1000) return { verb: "wait" };
    if (subject.started === (this.kind === "startup")) return { verb: "wait" };
    return { verb: "probe", containerID: subject.containerID };
  }

  /** Records an outcome; true when the verdict changed. Outcomes for a container that was replaced meanwhile are dropped. */
  onOutcome(containerID: string, succeeded: boolean): boolean {
    if (containerID !== this.#containerID || this.#paused) return false;
    this.#runLength = this.#runOutcome === succeeded ? this.#runLength + 1 : 1;
    this.#runOutcome = succeeded;
    const threshold = succeeded
      ? (this.probe.successThreshold ?? probeDefaults.successThreshold)
      : (this.probe.failureThreshold ?? probeDefaults.failureThreshold);
    if (this.#runLength < threshold) return false;
    const verdict = succeeded ? "success" : "failure";
    const changed = verdict !== this.#verdict;
    this.#verdict = verdict;
    if (!succeeded && this.kind !== "readiness") {
      this.#paused = true;
      this.#runLength = 0;
    }
    return changed;
  }

  #meet(subject: ProbeSubject): void {
    this.#containerID = subject.containerID;
    this.#verdict = subject.passedBefore ? "success" : initialVerdict[this.kind];
    this.#runOutcome = undefined;
    this.#runLength = 0;
    this.#paused = false;
  }
}
