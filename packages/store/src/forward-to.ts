/** An object whose members are always those of the current target. */
export function forwardTo<T extends object>(target: () => T): T {
  let owner: T | undefined;
  /** The owner's methods as they were given out: binding one anew at each call would show. */
  let bound = new Map<unknown, unknown>();
  const boundTo = (method: (...args: never) => unknown): unknown => {
    let known = bound.get(method);
    if (known === undefined) {
      known = method.bind(owner);
      bound.set(method, known);
    }
    return known;
  };
  return new Proxy({} as T, {
    get: (_proxy, name) => {
      const current = target();
      if (current !== owner) {
        owner = current;
        bound = new Map();
      }
      const value: unknown = Reflect.get(current, name, current);
      return typeof value === "function" ? boundTo(value as (...args: never) => unknown) : value;
    },
  });
}
