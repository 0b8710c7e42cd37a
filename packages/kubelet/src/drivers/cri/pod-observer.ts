// Pod observer: what the runtime holds for each pod, kept fresh by listing and, where the runtime tells, by its events.
//
// Owns:  the state of every pod in the runtime, the listing loop, the event stream.
// Not:   acting on changes; `onChange` names the pods that changed and their workers decide.
// L1. An observation that began before another never replaces it.
// L2. With an event stream listing is only a safety net (every 10 s); without one it happens every second.
// L3. Statuses of exited containers and addresses of sandboxes do not change and are asked for once.
// Source: pkg/kubelet/pleg (generic and evented).
import { type Clock, delay, type Logger, type TaskGroup } from "@lenj/base";
import type * as wire from "@lenj/proto/cri";
import { PodSandboxState } from "@lenj/proto/cri";
import { labels } from "../../core/pod/identity.js";
import { type ContainerRecord, emptyRuntimeState, type PodRuntimeState, type SandboxRecord } from "../../core/runtime-state.js";
import { type CRIClient, criErrorCode, criNotFound, criUnimplemented } from "./cri-client.js";
import { readContainerRecord, readSandboxRecord } from "./records.js";

const listIntervalMs = 1_000;
const listIntervalWithEventsMs = 10_000;
/** A listing older than this means the runtime does not answer: the node is not ready. Upstream: relistThreshold. */
export const listHealthyWithinMs = 180_000;
const eventRetryMs = 10_000;

interface Cached {
  readonly sequence: number;
  readonly fingerprint: string;
  readonly state: PodRuntimeState;
}

interface Listing {
  sandboxes: wire.PodSandbox[];
  containers: wire.Container[];
}

export class PodObserver {
  readonly #cache = new Map<string, Cached>();
  readonly #exited = new Map<string, ContainerRecord>();
  readonly #sandboxes = new Map<string, SandboxRecord>();
  #sequence = 0;
  #hasEvents = false;
  #wake: AbortController = new AbortController();
  #lastListMs: number | undefined;

  constructor(
    readonly options: {
      readonly cri: CRIClient;
      readonly clock: Clock;
      readonly logger: Logger;
      /** A pod's state changed; called after the new state can be read. */
      readonly onChange: (uid: string) => void;
    },
  ) {}

  /** Monotonic time of the last complete listing. */
  get lastListMs(): number | undefined {
    return this.#lastListMs;
  }

  get(uid: string): PodRuntimeState | undefined {
    return this.#cache.get(uid)?.state;
  }

  /** Every pod the runtime holds anything of. */
  all(): PodRuntimeState[] {
    return [...this.#cache.values()].map((cached) => cached.state);
  }

  start(tasks: TaskGroup): void {
    tasks.run("pod observer", (signal) => this.#listLoop(signal));
    tasks.run("container events", (signal) => this.#eventLoop(signal));
  }

  /** The state of one pod asked for now. Does not call `onChange`: the caller is the one who wanted to know. */
  async observe(uid: string, signal?: AbortSignal): Promise<PodRuntimeState> {
    const sequence = ++this.#sequence;
    const { cri } = this.options;
    const selector = { [labels.podUID]: uid };
    const [sandboxes, containers] = await Promise.all([
      cri.listPodSandboxes(selector, { signal }),
      cri.listContainers(selector, { signal }),
    ]);
    const state = await this.#read(uid, { sandboxes, containers }, signal);
    this.#store(uid, sequence, fingerprintOf({ sandboxes, containers }), state);
    return this.#cache.get(uid)?.state ?? state;
  }

  /** Lists everything and re-reads the pods that changed. */
  async relist(signal?: AbortSignal): Promise<void> {
    const sequence = ++this.#sequence;
    const { cri, clock } = this.options;
    const [sandboxes, containers] = await Promise.all([cri.listPodSandboxes({}, { signal }), cri.listContainers({}, { signal })]);
    const listings = groupByPod(sandboxes, containers);
    const changed: string[] = [];
    for (const [uid, listing] of listings) {
      const fingerprint = fingerprintOf(listing);
      const cached = this.#cache.get(uid);
      if (cached !== undefined && (cached.fingerprint === fingerprint || cached.sequence > sequence)) continue;
      const state = await this.#read(uid, listing, signal);
      if (this.#store(uid, sequence, fingerprint, state)) changed.push(uid);
    }
    for (const [uid, cached] of this.#cache) {
      if (listings.has(uid) || cached.sequence > sequence) continue;
      this.#cache.delete(uid);
      changed.push(uid);
    }
    this.#forget(sandboxes, containers);
    this.#lastListMs = clock.monotonicMs();
    for (const uid of changed) this.options.onChange(uid);
  }

  async #listLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Renewed before the listing, so that an event during it leads to another one.
      this.#wake = new AbortController();
      try {
        await this.relist(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.options.logger.debug("Listing the runtime failed", { error: (error as Error).message });
      }
      const wait = AbortSignal.any([signal, this.#wake.signal]);
      await delay(this.options.clock, this.#hasEvents ? listIntervalWithEventsMs : listIntervalMs, wait).catch(() => undefined);
    }
  }

  async #eventLoop(signal: AbortSignal): Promise<void> {
    const { cri, clock, logger } = this.options;
    while (!signal.aborted) {
      try {
        // A runtime without events refuses at once; one with events holds the stream open, so openness is the proof.
        const proof = clock.after(1_000, () => {
          this.#hasEvents = true;
        });
        try {
          for await (const _ of cri.containerEvents(signal)) {
            this.#hasEvents = true;
            this.#wake.abort(new Error("A container changed"));
          }
        } finally {
          proof.cancel();
        }
      } catch (error) {
        if (criErrorCode(error) === criUnimplemented) {
          logger.info("The runtime has no container events, listing every second");
          return;
        }
      }
      this.#hasEvents = false;
      await delay(clock, eventRetryMs, signal).catch(() => undefined);
    }
  }

  // L1. True when the state is newer than what was known and differs from it.
  #store(uid: string, sequence: number, fingerprint: string, state: PodRuntimeState): boolean {
    const cached = this.#cache.get(uid);
    if (cached !== undefined && cached.sequence > sequence) return false;
    this.#cache.set(uid, { sequence, fingerprint, state });
    return cached?.fingerprint !== fingerprint;
  }

  async #read(uid: string, listing: Listing, signal: AbortSignal | undefined): Promise<PodRuntimeState> {
    const sandboxes = await Promise.all(listing.sandboxes.map((item) => this.#readSandbox(item, signal)));
    const containers = await Promise.all(listing.containers.map((item) => this.#readContainer(item, signal)));
    const identity = [...listing.sandboxes, ...listing.containers][0]?.labels ?? {};
    return {
      ...emptyRuntimeState(uid, identity[labels.podNamespace] ?? "", identity[labels.podName] ?? ""),
      sandboxes: sandboxes.filter(isKnown).sort((left, right) => right.createdAtMs - left.createdAtMs || right.attempt - left.attempt),
      containers: containers
        .filter(isKnown)
        .sort((left, right) => right.createdAtMs - left.createdAtMs || right.restartCount - left.restartCount),
    };
  }

  async #readSandbox(item: wire.PodSandbox, signal: AbortSignal | undefined): Promise<SandboxRecord | undefined> {
    const ready = item.state === PodSandboxState.SANDBOX_READY;
    const known = this.#sandboxes.get(item.id);
    if (known !== undefined && known.ready === ready && (known.ips.length > 0 || known.hostNetwork || !ready)) return known;
    const record = await ignoreGone(this.options.cri.podSandboxStatus(item.id, { signal })).then((status) =>
      status === undefined ? undefined : readSandboxRecord(status),
    );
    if (record !== undefined) this.#sandboxes.set(item.id, record);
    return record;
  }

  async #readContainer(item: wire.Container, signal: AbortSignal | undefined): Promise<ContainerRecord | undefined> {
    const known = this.#exited.get(item.id);
    if (known !== undefined) return known;
    const status = await ignoreGone(this.options.cri.containerStatus(item.id, { signal }));
    if (status === undefined) return undefined;
    const record = await readContainerRecord(item, status);
    if (record.state === "exited") this.#exited.set(item.id, record);
    return record;
  }

  #forget(sandboxes: readonly wire.PodSandbox[], containers: readonly wire.Container[]): void {
    const alive = new Set([...sandboxes, ...containers].map((item) => item.id));
    for (const map of [this.#exited, this.#sandboxes]) {
      for (const id of map.keys()) if (!alive.has(id)) map.delete(id);
    }
  }
}

function groupByPod(sandboxes: readonly wire.PodSandbox[], containers: readonly wire.Container[]): Map<string, Listing> {
  const listings = new Map<string, Listing>();
  const of = (uid: string): Listing => {
    const listing = listings.get(uid) ?? { sandboxes: [], containers: [] };
    listings.set(uid, listing);
    return listing;
  };
  // Containers without our labels belong to someone else (crictl users).
  for (const sandbox of sandboxes) {
    const uid = sandbox.labels[labels.podUID] ?? sandbox.metadata?.uid;
    if (uid !== undefined && sandbox.labels[labels.podName] !== undefined) of(uid).sandboxes.push(sandbox);
  }
  for (const container of containers) {
    const uid = container.labels[labels.podUID];
    if (uid !== undefined) of(uid).containers.push(container);
  }
  return listings;
}

function fingerprintOf(listing: Listing): string {
  return [...listing.sandboxes.map((item) => `s${item.id}:${item.state}`), ...listing.containers.map((item) => `c${item.id}:${item.state}`)]
    .sort()
    .join(",");
}

async function ignoreGone<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    // Removed between the listing and the question.
    if (criErrorCode(error) === criNotFound) return undefined;
    throw error;
  }
}

function isKnown<T>(value: T | undefined): value is T {
  return value !== undefined;
}
