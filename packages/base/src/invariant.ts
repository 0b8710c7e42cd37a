/** A bug in this program: a condition that the code relies on did not hold. Never caught to carry on. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Throws {@link InvariantError} when `condition` is false. On in production. `describe` runs only on failure. */
export function invariant(condition: boolean, describe: () => string): asserts condition {
  if (!condition) throw new InvariantError(describe());
}

/** Marks a branch that the type checker proves unreachable. */
export function unreachable(value: never): never {
  throw new InvariantError(`Unexpected value: ${String(value)}`);
}
