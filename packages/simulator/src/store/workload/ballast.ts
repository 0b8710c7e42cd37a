// A key that is written once and that no client reads: damage to it is wrong data that nobody is told, and only a comparison finds it.
import type { KvClient } from "./kv-client.js";
import { putOf } from "./requests.js";

export const ballastText = "ballast that nobody reads";

export class Ballast {
  #revision = 0;

  constructor(readonly client: KvClient) {}

  start(): void {
    this.client.call(this.client.session.cluster.leader(), putOf("ballast", ballastText), (answer) => {
      if (answer === undefined || "error" in answer) this.start();
      else this.#revision = answer.revision;
    });
  }

  /** Watches that begin now do not go back to where it was written. */
  isPastWatches(): boolean {
    return this.#revision > 0 && this.client.session.told.compactRevision > this.#revision;
  }
}
