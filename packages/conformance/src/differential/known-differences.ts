// Where our answer may differ from Debian's etcd 3.4, and why: what later releases of etcd changed, which we follow.
import { isSame } from "./compare.js";
import type { Answer } from "./subject.js";
import { plain } from "./watch-feed.js";

export interface Difference {
  readonly request: string;
  readonly message: unknown;
  readonly etcd: Answer;
  readonly lenj: Answer;
}

export interface KnownDifference {
  readonly reason: string;
  matches(difference: Difference): boolean;
}

interface WatchStart {
  readonly startRevision: number;
  readonly compacted: number;
}

const firstLine = (answer: Answer): string =>
  "response" in answer ? ((answer.response as { readonly lines?: readonly string[] }).lines?.[0] ?? "") : "";

/** Keys that Go's sort still sorts by insertion, which keeps the order of equals. */
const stableSortMax = 12;

/** Of long ranges only how many keys they gave. */
function withoutOrder(answer: Answer): Answer {
  return JSON.parse(
    JSON.stringify(answer, (key, value: unknown) => {
      const range = value as { readonly count?: number; readonly kvs?: readonly unknown[] } | null;
      if (typeof range === "object" && range?.kvs !== undefined && (range.count ?? 0) > stableSortMax)
        return { ...range, kvs: range.kvs.length };
      return plain(key, value);
    }),
  ) as Answer;
}

/** What 3.4 answers without looking who asks. */
const openOnce = [
  "Lease/LeaseTimeToLive",
  "Lease/LeaseLeases",
  "Maintenance/Status",
  "Maintenance/MoveLeader",
  "Maintenance/Alarm",
  "Cluster/MemberList",
];
const authErrors = ["user name is empty", "permission denied", "invalid auth token"].map((text) => `etcdserver: ${text}`);

const isError = (answer: Answer, details: string): boolean => "details" in answer && answer.details === details;

export const knownDifferences: readonly KnownDifference[] = [
  {
    reason: "Alarm answers carry a header since etcd 3.5",
    matches: ({ request, etcd }) =>
      request === "Maintenance/Alarm" && "response" in etcd && (etcd.response as { header?: unknown }).header === undefined,
  },
  {
    reason: "etcd reads the past for new watches every 100 ms, and a compaction before that ends them; ours have read it already",
    matches: ({ request, message, etcd }) => {
      const start = message as WatchStart | undefined;
      return (
        request.startsWith("watch") &&
        start !== undefined &&
        start.startRevision >= start.compacted &&
        /compact=[1-9]/.test(firstLine(etcd))
      );
    },
  },
  {
    reason: "leases, status and a change of leader are for users only since etcd 3.5 and 3.6",
    matches: ({ request, lenj }) => openOnce.includes(request) && authErrors.some((text) => isError(lenj, text)),
  },
  {
    reason: "etcd's sort of more than 12 keys leaves those that compare as equal in any order, and a limit cuts there",
    matches: ({ request, message, etcd, lenj }) =>
      (request === "KV/Range" || request === "KV/Txn") &&
      /"sortTarget":[1-4]/.test(JSON.stringify(message, plain)) &&
      isSame(withoutOrder(etcd), withoutOrder(lenj)),
  },
  {
    reason: "HashKV is answered at the compacted revision itself since etcd 3.6",
    matches: ({ request, etcd, lenj }) =>
      request === "Maintenance/HashKV" &&
      isError(etcd, "etcdserver: mvcc: required revision has been compacted") &&
      "response" in lenj &&
      (lenj.response as { compactRevision: number; hashRevision: number }).compactRevision ===
        (lenj.response as { hashRevision: number }).hashRevision,
  },
  {
    reason: "we tell what is wrong with a member's addresses only to those who may add it",
    matches: ({ request, etcd, lenj }) =>
      request === "Cluster/MemberAdd" &&
      isError(etcd, "etcdserver: given member URLs are invalid") &&
      authErrors.some((text) => isError(lenj, text)),
  },
  {
    reason: "the role root is shown with all permissions, whatever it was given, since etcd 3.5",
    matches: ({ request, message }) => request === "Auth/RoleGet" && (message as { role: string }).role === "root",
  },
  {
    reason: "Maintenance tells why it refuses under the same code and text as the other services since etcd 3.5",
    matches: ({ request, etcd, lenj }) =>
      request.startsWith("Maintenance/") &&
      "details" in etcd &&
      "details" in lenj &&
      etcd.details.replace("auth: ", "etcdserver: ") === lenj.details,
  },
  {
    reason: "a deletion exactly at the compacted revision stays, for watches that start there, since etcd 3.6",
    matches: ({ request, message, lenj }) => {
      const start = message as WatchStart | undefined;
      return (
        request.startsWith("watch") &&
        start?.startRevision === start?.compacted &&
        firstLine(lenj).startsWith('{"type":1') &&
        firstLine(lenj).includes(`"modRevision":${start?.compacted},`)
      );
    },
  },
];
