// Leader election on a coordination.k8s.io Lease.
//
// LE1. Whoever renewed the Lease last leads until leaseDurationSeconds have passed on the observer's own clock since it
//      saw the last change; clocks of two machines are never compared.
// LE2. A leader that could not renew for renewDeadlineMs stops leading for good, before anyone else may start.
// LE3. Every write carries the resource version read, so of two candidates one loses.
// LE4. A leader that stops in order releases the Lease (holder "", one second), so that the next one need not wait.
// The wait between tries is the only suspension besides the api-server's answers.
// Upstream: client-go tools/leaderelection.
import { type Clock, delay, type Logger, type Random } from "@lenj/base";
import { type ApiClient, isNotFound, resources } from "@lenj/client";
import type { coordinationv1 } from "@lenj/proto/k8s";

const JITTER_FACTOR = 1.2;

export interface LeaderElectionConfig {
  readonly namespace: string;
  readonly name: string;
  /** Different for every candidate: host name and a random part. */
  readonly identity: string;
  /** Default 15 s. */
  readonly leaseDurationMs: number;
  /** Default 10 s; less than the lease duration. */
  readonly renewDeadlineMs: number;
  /** Default 2 s. */
  readonly retryPeriodMs: number;
}

export interface LeaderElectorOptions {
  readonly config: LeaderElectionConfig;
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onNewLeader?: (identity: string) => void;
}

export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  #observed: coordinationv1.Lease | undefined;
  #observedAtMs = 0;
  #reportedLeader: string | undefined;

  constructor(options: LeaderElectorOptions) {
    this.#options = options;
  }

  get isLeader(): boolean {
    return this.#observed?.spec?.holderIdentity === this.#options.config.identity;
  }

  /** Waits until this candidate leads. Rejects with the signal's reason when aborted. */
  async acquire(signal: AbortSignal): Promise<void> {
    const { config, clock, random, logger } = this.#options;
    const fields = { lease: `${config.namespace}/${config.name}` };
    logger.info("Attempting to acquire leader lease", fields);
    while (!(await this.#tryAcquireOrRenew(signal))) {
      signal.throwIfAborted();
      await delay(clock, config.retryPeriodMs * (1 + random.next() * JITTER_FACTOR), signal);
    }
    logger.info("Acquired leader lease", fields);
  }

  /** Keeps the Lease until it is lost (resolves) or `signal` is aborted (releases it, then resolves). */
  async hold(signal: AbortSignal): Promise<void> {
    const { config, clock, logger } = this.#options;
    let renewedMs = clock.monotonicMs();
    while (!signal.aborted) {
      await delay(clock, config.retryPeriodMs, signal).catch(() => undefined);
      if (signal.aborted) break;
      if (await this.#renewWithin(renewedMs + config.renewDeadlineMs - clock.monotonicMs(), signal)) renewedMs = clock.monotonicMs();
      else if (clock.monotonicMs() - renewedMs >= config.renewDeadlineMs) {
        logger.error("Leader election lost", { lease: `${config.namespace}/${config.name}` });
        return;
      }
    }
    await this.#release();
  }

  /** An answer that comes after the deadline is as good as none. */
  async #renewWithin(limitMs: number, signal: AbortSignal): Promise<boolean> {
    const deadline = new AbortController();
    const timer = this.#options.clock.after(Math.max(0, limitMs), () => deadline.abort(new Error("timed out renewing the lease")));
    try {
      return await this.#tryAcquireOrRenew(AbortSignal.any([signal, deadline.signal]));
    } finally {
      timer.cancel();
    }
  }

  async #tryAcquireOrRenew(signal: AbortSignal): Promise<boolean> {
    const { client, config, logger } = this.#options;
    try {
      const current = await this.#read(signal);
      if (current === undefined) {
        this.#observe(await client.create(resources.leases, this.#desired(undefined), { signal }));
        return true;
      }
      if (!this.#isFree(current)) return false;
      this.#observe(await client.update(resources.leases, { ...current, spec: this.#desired(current).spec }, { signal }));
      return true;
    } catch (error) {
      logger.debug("Failed to acquire or renew the lease", {
        lease: config.name,
        error: error instanceof Error ? error.message : String(error),
      });
      return false;
    }
  }

  async #read(signal: AbortSignal): Promise<coordinationv1.Lease | undefined> {
    const { client, config } = this.#options;
    try {
      const lease = await client.get<coordinationv1.Lease>(resources.leases, config, { signal });
      this.#observe(lease);
      return lease;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #isFree(lease: coordinationv1.Lease): boolean {
    const holder = lease.spec?.holderIdentity ?? "";
    if (holder === "" || holder === this.#options.config.identity) return true;
    const durationMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000;
    return this.#options.clock.monotonicMs() - this.#observedAtMs > durationMs;
  }

  #observe(lease: coordinationv1.Lease): void {
    if (JSON.stringify(lease.spec) !== JSON.stringify(this.#observed?.spec)) this.#observedAtMs = this.#options.clock.monotonicMs();
    this.#observed = lease;
    const leader = lease.spec?.holderIdentity ?? "";
    if (leader === "" || leader === this.#reportedLeader) return;
    this.#reportedLeader = leader;
    this.#options.onNewLeader?.(leader);
  }

  #desired(current: coordinationv1.Lease | undefined): coordinationv1.Lease {
    const { config, clock } = this.#options;
    const now = formatMicroTime(clock.wallMs());
    const isSame = current?.spec?.holderIdentity === config.identity;
    const transitions = current?.spec?.leaseTransitions ?? 0;
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: config.name, namespace: config.namespace },
      spec: {
        ...current?.spec,
        holderIdentity: config.identity,
        leaseDurationSeconds: Math.ceil(config.leaseDurationMs / 1000),
        acquireTime: isSame ? (current.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: current === undefined || isSame ? transitions : transitions + 1,
      },
    };
  }

  async #release(): Promise<void> {
    const lease = this.#observed;
    if (lease === undefined || !this.isLeader) return;
    const { client, clock, logger } = this.#options;
    const now = formatMicroTime(clock.wallMs());
    const spec = {
      holderIdentity: "",
      leaseDurationSeconds: 1,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: lease.spec?.leaseTransitions ?? 0,
    };
    const limit = new AbortController();
    const timer = clock.after(this.#options.config.retryPeriodMs, () => limit.abort(new Error("timed out releasing the lease")));
    try {
      this.#observe(await client.update(resources.leases, { ...lease, spec }, { signal: limit.signal }));
    } catch (error) {
      logger.warn("Failed to release the lease", { error: error instanceof Error ? error.message : String(error) });
    } finally {
      timer.cancel();
    }
  }
}

/** "2026-01-01T00:00:00.000000Z" */
export function formatMicroTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/(\.\d{3})Z$/, "$1000Z");
}
