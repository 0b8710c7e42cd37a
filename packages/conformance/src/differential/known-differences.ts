// Where our answer may differ from Debian's etcd 3.4, and why: what later releases of etcd changed, which we follow.
import type { Answer } from "./subject.js";

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
