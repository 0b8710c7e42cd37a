// Makes informers, one a resource and selection, and owns the loops that feed them.
import { type Clock, type Logger, type Random, silentLogger, TaskGroup } from "@lenj/base";
import type { ApiClient, GroupVersionResource, KubeObject, SelectOptions } from "../api-client.js";
import { qualifiedResource } from "../resources.js";
import { type Informer, SharedInformer } from "./informer.js";
import { Reflector } from "./reflector.js";

export interface InformerFactoryOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  /** For tests: cached objects are deep-frozen. */
  readonly freeze?: boolean;
}

export interface InformerOptions<T extends KubeObject> extends SelectOptions {
  /**
   * Reduces objects before they are stored. Default: managedFields are dropped, which halves the memory; an update
   * without them leaves the server's as they are. A shared informer keeps the transform of its first caller.
   */
  readonly transform?: (object: T) => T;
}

interface Entry {
  readonly informer: SharedInformer<KubeObject>;
  readonly reflector: Reflector<KubeObject>;
  isStarted: boolean;
}

export class InformerFactory {
  readonly #options: InformerFactoryOptions;
  readonly #logger: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #tasks = new TaskGroup();

  constructor(options: InformerFactoryOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Resolves if a loop ends by a bug; answers of the server never end one. */
  get failed(): Promise<Error> {
    return this.#tasks.failed;
  }

  /** The shared informer of a resource; it runs from the next `start()` on. */
  informer<T extends KubeObject>(resource: GroupVersionResource, options: InformerOptions<T> = {}): Informer<T> {
    const { transform, ...select } = options;
    const id = [resource.group, resource.version, resource.resource, select.namespace, select.labelSelector, select.fieldSelector].join(
      "|",
    );
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      const informer = new SharedInformer<KubeObject>({
        resource,
        logger: this.#logger,
        transform: (transform as ((object: KubeObject) => KubeObject) | undefined) ?? dropManagedFields,
        ...(this.#options.freeze !== undefined && { freeze: this.#options.freeze }),
      });
      entry = { informer, reflector: new Reflector(informer, select, { ...this.#options, logger: this.#logger }), isStarted: false };
      this.#entries.set(id, entry);
    }
    return entry.informer as unknown as Informer<T>;
  }

  /** Starts every informer that is not running yet. */
  start(): void {
    for (const [id, entry] of this.#entries) {
      if (entry.isStarted) continue;
      entry.isStarted = true;
      this.#tasks.run(`informer ${id}`, (signal) => entry.reflector.run(signal));
    }
  }

  get hasSynced(): boolean {
    return [...this.#entries.values()].every((entry) => entry.informer.hasSynced);
  }

  /** Waits until every informer made so far has a complete state. Rejects when `signal` is aborted. */
  async waitForSync(signal: AbortSignal): Promise<void> {
    for (const { informer } of this.#entries.values()) await informer.whenSynced(signal);
  }

  /** Resources that have no complete state yet, for health checks and logs. */
  unsynced(): string[] {
    return [...this.#entries.values()]
      .filter((entry) => !entry.informer.hasSynced)
      .map((entry) => qualifiedResource(entry.informer.resource));
  }

  close(): Promise<void> {
    return this.#tasks.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

export function dropManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata?.managedFields !== undefined) delete object.metadata.managedFields;
  return object;
}
