/**
 * Does `count` like things in growing batches (1, 2, 4, ...): if the first one fails (a quota, a bad template), the
 * rest are not tried. Returns how many succeeded and the first error. Upstream: pkg/controller/replicaset slowStartBatch.
 */
export async function slowStartBatch(
  count: number,
  action: (ordinal: number) => Promise<void>,
  initialBatchSize = 1,
): Promise<{ readonly succeeded: number; readonly attempted: number; readonly error: unknown }> {
  let attempted = 0;
  let succeeded = 0;
  for (let batchSize = Math.min(count, initialBatchSize); batchSize > 0; batchSize = Math.min(2 * batchSize, count - attempted)) {
    const first = attempted;
    attempted += batchSize;
    const results = await Promise.allSettled(Array.from({ length: batchSize }, (_, offset) => action(first + offset)));
    succeeded += results.filter((result) => result.status === "fulfilled").length;
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) return { succeeded, attempted, error: failure.reason as unknown };
  }
  return { succeeded, attempted, error: undefined };
}

/** Does all of them at once, waits for all, then throws the first error if there was one. */
export async function allOrFirstError(actions: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(actions);
  const failure = results.find((result) => result.status === "rejected");
  if (failure !== undefined) throw failure.reason as Error;
}
