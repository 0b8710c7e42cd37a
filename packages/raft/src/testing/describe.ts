// Short texts for what members say and are, for scripts and for failing tests. An entry reads `term.index`.

import { decodeConfChange } from "../confchange/codec.js";
import type { ConfChange, ConfChangeType, ConfState, Entry, Message, ProgressStatus } from "../types.js";

const changeLetters: Readonly<Record<ConfChangeType, string>> = { addVoter: "v", remove: "r", update: "u", addLearner: "l" };

export const describeText = (data: Uint8Array): string => {
  const text = new TextDecoder().decode(data);
  const first = text[0] ?? "";
  return text.length > 8 && text === first.repeat(text.length) ? `${first}*${text.length}` : text;
};

export function describeChange(change: ConfChange): string {
  if (change.changes.length === 0 && change.transition === "auto") return "leave";
  const singles = change.changes.map(({ type, memberID }) => `${changeLetters[type]}${memberID}`);
  return change.transition === "auto" ? singles.join(" ") : `${singles.join(" ")} ${change.transition}`;
}

export function describeEntry(entry: Entry): string {
  const place = `${entry.term}.${entry.index}`;
  if (entry.type === "confChange") return `${place}(${describeChange(decodeConfChange(entry.data))})`;
  return entry.data.length === 0 ? place : `${place}"${describeText(entry.data)}"`;
}

export function describeEntries(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(" ")}]`;
}

export function describeMembership({ voters, votersOutgoing, learners, learnersNext, autoLeave }: ConfState): string {
  const parts = [`voters ${voters.join(",")}`];
  if (votersOutgoing.length > 0) parts.push(`outgoing ${votersOutgoing.join(",")}`);
  if (learners.length > 0) parts.push(`learners ${learners.join(",")}`);
  if (learnersNext.length > 0) parts.push(`learners next ${learnersNext.join(",")}`);
  if (autoLeave) parts.push("leaves by itself");
  return parts.join(" ");
}

export function describeProgress(id: bigint, progress: ProgressStatus): string {
  const { state, match, next, inflightMessages, pendingSnapshot, isPaused, isLearner, recentActive } = progress;
  const notes = [`${id} ${state} match ${match} next ${next}`];
  if (inflightMessages > 0) notes.push(`inflight ${inflightMessages}`);
  if (pendingSnapshot > 0) notes.push(`snapshot ${pendingSnapshot}`);
  if (isPaused) notes.push("paused");
  if (isLearner) notes.push("learner");
  if (!recentActive) notes.push("inactive");
  return notes.join(" ");
}

/** The message without sender and addressee. */
export function describeMessage(message: Message): string {
  switch (message.type) {
    case "vote":
    case "preVote": {
      const name = message.type === "vote" ? "RequestVote" : "RequestPreVote";
      return `${name}(term ${message.term}, last ${message.logTerm}.${message.index}${message.transfer ? ", transfer" : ""})`;
    }
    case "voteResp":
    case "preVoteResp": {
      const kind = message.type === "voteResp" ? "vote" : "pre-vote";
      return message.reject ? `${kind} refused(term ${message.term})` : `${kind} granted(term ${message.term})`;
    }
    case "app": {
      const { term, logTerm, index, entries, commit } = message;
      return `Append(term ${term}, after ${logTerm}.${index}, ${describeEntries(entries)}, commit ${commit})`;
    }
    case "appResp":
      if (!message.reject) return `accepted(term ${message.term}, through ${message.index})`;
      return `rejected(term ${message.term}, after ${message.index}, may match ${message.logTerm}.${message.rejectHint})`;
    case "snap": {
      const { index, term, confState } = message.snapshot.metadata;
      return `Snapshot(term ${message.term}, at ${term}.${index}, ${describeMembership(confState)})`;
    }
    case "heartbeat":
      return `Heartbeat(term ${message.term}, commit ${message.commit}${message.round > 0 ? `, round ${message.round}` : ""})`;
    case "heartbeatResp":
      return `heard(term ${message.term}${message.round > 0 ? `, round ${message.round}` : ""})`;
    case "readIndex":
      return `ReadIndex(${describeText(message.context)})`;
    case "readIndexResp":
      return `read point(${describeText(message.context)}, ${message.index})`;
    case "prop":
      return `Propose(${message.entries.map((entry) => (entry.type === "confChange" ? describeChange(decodeConfChange(entry.data)) : `"${describeText(entry.data)}"`)).join(" ")})`;
    case "timeoutNow":
      return `TimeoutNow(term ${message.term})`;
    case "transferLeader":
      return `TransferLeader(${message.transferee})`;
  }
}
