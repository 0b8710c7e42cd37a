// Renewals of leases on their way to the leader: those of one turn go together, for a call costs far more than a renewal.

export class Renewals {
  /** By leader. */
  readonly #gathered = new Map<bigint, { readonly ids: bigint[]; readonly answers: Promise<readonly number[]> }>();

  /** `ask` resolves with the seconds of each lease, 0 for one that does not exist. */
  constructor(private readonly ask: (leaderID: bigint, ids: readonly bigint[]) => Promise<readonly number[]>) {}

  /** Undefined: there is no such lease. Rejects when the leader does not answer. */
  async renew(leaderID: bigint, id: bigint): Promise<number | undefined> {
    const { ids, answers } = this.#gathered.get(leaderID) ?? this.#gather(leaderID);
    const position = ids.push(id) - 1;
    return (await answers)[position] || undefined;
  }

  #gather(leaderID: bigint): { readonly ids: bigint[]; readonly answers: Promise<readonly number[]> } {
    const ids: bigint[] = [];
    const answers = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.#gathered.delete(leaderID);
      return this.ask(leaderID, ids);
    });
    const gathered = { ids, answers };
    this.#gathered.set(leaderID, gathered);
    return gathered;
  }
}
