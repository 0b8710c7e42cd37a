// Runs the admission plugins over one write: first all that may change the object, later all that only judge.
import { cloneJSON, isStatusError, newInternalError } from "@lenj/apimachinery";
import type { AdmissionAttributes, AdmissionOperation, AdmissionPlugin } from "./ports.js";

export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  handles(operation: AdmissionOperation): boolean {
    return this.#plugins.some((plugin) => plugin.handles(operation));
  }

  /** Lets plugins change the object in place. Throws StatusError for a rejection. */
  async admit(attributes: AdmissionAttributes): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.admit === undefined || !plugin.handles(attributes.operation)) continue;
      await this.#run(() => plugin.admit?.(attributes));
    }
  }

  /** Asks plugins about the final object. Throws StatusError for a rejection. */
  async validate(attributes: AdmissionAttributes): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.validate === undefined || !plugin.handles(attributes.operation)) continue;
      await this.#run(() => plugin.validate?.(attributes));
    }
  }

  async #run(step: () => void | Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      throw isStatusError(error) ? error : newInternalError(error);
    }
  }
}

/** Plugins see a copy of the stored object, so that a careless one cannot harm the cache. */
export function protectOld<T>(object: T): T {
  return cloneJSON(object);
}
