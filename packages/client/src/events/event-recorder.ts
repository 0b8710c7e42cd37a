// Records what a component did or saw as Event objects, in the background and never in the way.
//
// E1. `event()` never blocks and never throws; with QUEUE_MAX events waiting, further ones are dropped and counted.
// E2. Writes of one recorder happen in order, one at a time.
// Upstream: client-go tools/record.
import { BoundedQueue, type Clock, delay, type Logger, type Random, TaskGroup } from "@lenj/base";
import type { corev1 } from "@lenj/proto/k8s";
import type { ApiClient, KubeObject } from "../api-client.js";
import { isAlreadyExists, isApiError, isNotFound } from "../errors.js";
import { resources } from "../resources.js";
import { EventCorrelator, type ObservedEvent } from "./event-correlator.js";

const QUEUE_MAX = 1000;
const ATTEMPTS_MAX = 12;
const RETRY_AFTER_MS = 10_000;

export type EventType = "Normal" | "Warning";

export interface EventRecorder {
  /** `reason` is one CamelCase word for machines, `message` a sentence for people. */
  event(object: corev1.ObjectReference, type: EventType, reason: string, message: string): void;
}

export interface EventRecorderOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** "deployment-controller", "kubelet": who reports. */
  readonly component: string;
  /** Node name, for components of a node. */
  readonly host?: string;
}

/** The reference that an event about `object` carries. List items name no kind, so the caller does. */
export function referenceTo(object: KubeObject, kind: { readonly apiVersion: string; readonly kind: string }): corev1.ObjectReference {
  const { namespace, name, uid, resourceVersion } = object.metadata ?? {};
  return {
    ...kind,
    name: name ?? "",
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
}

/** Writes queued events until closed. One sink may serve recorders of several names. */
export class EventSink {
  readonly #options: Omit<EventRecorderOptions, "component" | "host">;
  readonly #queue = new BoundedQueue<ObservedEvent>(QUEUE_MAX);
  readonly #correlator = new EventCorrelator();
  readonly #tasks = new TaskGroup();
  #sequence = 0;

  constructor(options: Omit<EventRecorderOptions, "component" | "host">) {
    this.#options = options;
    this.#tasks.run("event sink", (signal) => this.#run(signal));
  }

  recorder(component: string, host?: string): EventRecorder {
    const source = { component, ...(host !== undefined && { host }) };
    return {
      event: (object, type, reason, message) => {
        const isQueued = this.#queue.offer({ object, source, type, reason, message, nowMs: this.#options.clock.wallMs() });
        if (!isQueued) this.#options.logger.debug("Event dropped", { reason, object: object.name });
      },
    };
  }

  /** Drops what is not written yet. */
  close(): Promise<void> {
    this.#queue.fail(new Error("Event sink closed"));
    return this.#tasks.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (;;) {
      const next = await this.#queue.next().catch(() => undefined);
      if (next === undefined || next.done === true || signal.aborted) return;
      await this.#write(next.value, signal);
    }
  }

  async #write(event: ObservedEvent, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX && !signal.aborted; attempt += 1) {
      try {
        await this.#writeOnce(event, signal);
        return;
      } catch (error) {
        // The server's refusal is final (the namespace is going, the name exists); only silence is worth another try.
        if (signal.aborted || (isApiError(error) && error.code !== 0 && error.code < 500)) return;
        this.#options.logger.debug("Unable to write event, will retry", { reason: event.reason, attempt });
        await delay(this.#options.clock, RETRY_AFTER_MS * this.#options.random.next(), signal).catch(() => undefined);
      }
    }
  }

  async #writeOnce(event: ObservedEvent, signal: AbortSignal): Promise<void> {
    const decision = this.#correlator.decide(event);
    if (decision.verb === "drop") return;
    const namespace = namespaceOf(event.object);
    if (decision.verb === "update") {
      const body = { count: decision.count, lastTimestamp: timestamp(event.nowMs), message: decision.message };
      try {
        await this.#options.client.patch(resources.events, { namespace, name: decision.name }, { type: "merge", body }, { signal });
        this.#correlator.onWritten(decision.key, decision);
        return;
      } catch (error) {
        if (!isNotFound(error)) throw error;
        this.#correlator.onGone(decision.key);
      }
    }
    const object = this.#newEvent(event, decision.message, namespace);
    await this.#options.client.create(resources.events, object, { signal }).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
    this.#correlator.onWritten(decision.key, { name: object.metadata.name, count: 1 });
  }

  #newEvent(event: ObservedEvent, message: string, namespace: string): corev1.Event & { metadata: { name: string } } {
    const at = timestamp(event.nowMs);
    // Nanoseconds as upstream; the sequence keeps names apart that fall into one millisecond.
    const stamp = BigInt(Math.floor(event.nowMs)) * 1_000_000n + BigInt(this.#sequence++ % 1_000_000);
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${event.object.name ?? ""}.${stamp.toString(16)}`, namespace },
      involvedObject: event.object,
      reason: event.reason,
      message,
      source: event.source,
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
      type: event.type,
      reportingComponent: event.source.component ?? "",
      reportingInstance: event.source.host ?? "",
    };
  }
}

/** Events about cluster-scoped objects live in "default". */
function namespaceOf(object: corev1.ObjectReference): string {
  return object.namespace === undefined || object.namespace === "" ? "default" : object.namespace;
}

function timestamp(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}
