// Whose data differs: what the leader makes of every member's hash of the same revision.
//
// Not:   how hashes are got (drivers), what is done to a member that differs (corruption-checker).
// Source: etcd server/etcdserver/corrupt.go. Upstream takes the leader's word in its comparison at intervals; that a majority decides, and that
// nobody is named without one, is what it does at compactions.

export interface HashReport {
  readonly memberID: bigint;
  readonly hash: number;
  readonly hashRevision: number;
  readonly compactRevision: number;
}

export interface Judgement {
  /** Members that have other data than the majority; without a majority, than the one who asks. */
  readonly differing: readonly bigint[];
  /** Members that have the data of the majority. */
  readonly agreeing: readonly bigint[];
  /** What more than half of all members have; undefined when no hash has that many, so that nobody can be called right. */
  readonly majority: HashReport | undefined;
}

/** Only reports of the same revision and compact revision as `own` count; `memberCount` is of the whole cluster, answering or not. */
export function judgeHashes(own: HashReport, others: readonly HashReport[], memberCount: number): Judgement {
  const comparable = [
    own,
    ...others.filter(({ hashRevision, compactRevision }) => hashRevision === own.hashRevision && compactRevision === own.compactRevision),
  ];
  const countOf = (hash: number): number => comparable.filter((report) => report.hash === hash).length;
  const majority = comparable.find(({ hash }) => countOf(hash) * 2 > memberCount);
  const membersWith = (isWanted: (hash: number) => boolean): bigint[] =>
    comparable.filter(({ hash }) => isWanted(hash)).map(({ memberID }) => memberID);
  return {
    differing: membersWith((hash) => hash !== (majority ?? own).hash),
    agreeing: membersWith((hash) => hash === majority?.hash),
    majority,
  };
}

export const differs = (own: HashReport, other: HashReport): boolean =>
  own.hashRevision === other.hashRevision && own.compactRevision === other.compactRevision && own.hash !== other.hash;
