/** An object whose members are always those of the current target. */
export function forwardTo<T extends object>(target: () => T): T {
  return new Proxy({} as T, {
    get: (_proxy, name) => {
      const owner = target();
      const value: unknown = Reflect.get(owner, name, owner);
      return typeof value === "function" ? (value.bind(owner) as unknown) : value;
    },
  });
}
