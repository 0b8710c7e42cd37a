import type { KubernetesObject } from "@lenj/apimachinery";

/**
 * One state of one stored object, with the encodings made of it so far: whatever is sent to many clients is encoded once.
 * `object` carries its resourceVersion and is shared: never mutate it.
 */
export class CachedObject {
  #encodings: Map<string, unknown> | undefined;

  constructor(
    /** Below the resource's prefix: `<namespace>/<name>` or `<name>`. */
    readonly key: string,
    readonly revision: number,
    readonly object: KubernetesObject,
  ) {}

  get name(): string {
    return this.object.metadata?.name ?? "";
  }

  get namespace(): string {
    return this.object.metadata?.namespace ?? "";
  }

  /** What `make` returned for `form` the first time. */
  encoded<T>(form: string, make: () => T): T {
    this.#encodings ??= new Map();
    const known = this.#encodings.get(form);
    if (known !== undefined) return known as T;
    const made = make();
    this.#encodings.set(form, made);
    return made;
  }
}
