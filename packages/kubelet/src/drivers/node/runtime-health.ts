// Whether the container runtime can run pods, asked regularly. Upstream: pkg/kubelet/runtime.go.
import { type Clock, delay, type Logger, type TaskGroup } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import { type CRIClient, describeCRIError } from "../cri/cri-client.js";
import { listHealthyWithinMs, type PodObserver } from "../cri/pod-observer.js";

const intervalMs = 5_000;
const firstIntervalMs = 300;
/** A runtime silent for longer makes the node not ready. Upstream: maxWaitForContainerRuntime. */
const silentForMs = 30_000;

export class RuntimeHealth {
  #runtimeProblem: string | undefined = "container runtime status check may not have completed yet";
  #networkProblem: string | undefined = "container runtime network not ready: the runtime has not been asked yet";
  #lastAnswerMs = Number.NEGATIVE_INFINITY;
  #name = "unknown";
  #version = "";
  #handlers: corev1.NodeRuntimeHandler[] = [];

  constructor(
    readonly options: {
      readonly cri: CRIClient;
      readonly observer: PodObserver;
      readonly clock: Clock;
      readonly logger: Logger;
      /** Readiness changed, in either direction. */
      readonly onChange: () => void;
    },
  ) {}

  /** Scheme of container IDs. */
  get name(): string {
    return this.#name;
  }

  /** "containerd://1.6.20". */
  get nodeVersion(): string {
    return `${this.#name}://${this.#version}`;
  }

  get handlers(): readonly corev1.NodeRuntimeHandler[] {
    return this.#handlers;
  }

  get networkProblem(): string | undefined {
    return this.#networkProblem;
  }

  /** Why the node is not ready; empty when it is. */
  problems(): string[] {
    const { clock, observer } = this.options;
    const problems = [this.#runtimeProblem, this.#networkProblem].filter((problem): problem is string => problem !== undefined);
    const listedMs = observer.lastListMs;
    if (listedMs !== undefined && clock.monotonicMs() - listedMs > listHealthyWithinMs) {
      problems.push(
        `PLEG is not healthy: pleg was last seen active ${Math.round((clock.monotonicMs() - listedMs) / 1000)}s ago; threshold is ${listHealthyWithinMs / 1000}s`,
      );
    }
    return problems;
  }

  start(tasks: TaskGroup): void {
    tasks.run("runtime health", async (signal) => {
      while (!signal.aborted) {
        await this.check(signal);
        await delay(this.options.clock, this.problems().length > 0 ? firstIntervalMs * 3 : intervalMs, signal).catch(() => undefined);
      }
    });
  }

  /** Asks now. Never rejects: silence is a finding. */
  async check(signal?: AbortSignal): Promise<void> {
    const { cri, clock, logger } = this.options;
    const before = this.problems().join();
    try {
      if (this.#version === "") {
        const version = await cri.version({ signal, timeoutMs: 5_000 });
        this.#name = version.runtimeName;
        this.#version = version.runtimeVersion;
      }
      const answer = await cri.status({ signal, timeoutMs: 10_000 });
      this.#lastAnswerMs = clock.monotonicMs();
      const problemOf = (type: string): string | undefined => {
        const condition = answer.status?.conditions.find((candidate) => candidate.type === type);
        return condition?.status === true
          ? undefined
          : `${type}=false reason:${condition?.reason ?? "Unknown"} message:${condition?.message ?? ""}`;
      };
      const runtime = problemOf("RuntimeReady");
      const network = problemOf("NetworkReady");
      this.#runtimeProblem = runtime === undefined ? undefined : `container runtime not ready: ${runtime}`;
      this.#networkProblem = network === undefined ? undefined : `container runtime network not ready: ${network}`;
      this.#handlers = answer.runtimeHandlers.map((handler) => ({
        name: handler.name,
        features: {
          recursiveReadOnlyMounts: handler.features?.recursiveReadOnlyMounts === true,
          userNamespaces: handler.features?.userNamespaces === true,
        },
      }));
    } catch (error) {
      if (signal?.aborted === true) return;
      logger.debug("The runtime does not answer", { error: describeCRIError(error) });
      // The next start of the runtime may be another version.
      this.#version = "";
      if (clock.monotonicMs() - this.#lastAnswerMs > silentForMs) this.#runtimeProblem = "container runtime is down";
    }
    if (this.problems().join() !== before) this.options.onChange();
  }
}
