/** Lets everything that is ready to run without time passing run, e.g. after changing a FakeApiClient. */
export async function settle(turns = 3): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
