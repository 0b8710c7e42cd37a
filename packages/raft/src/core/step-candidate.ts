import { unreachable } from "@lenj/base";
import type { Message } from "../types.js";
import { onVote } from "./election.js";
import type { RaftCore } from "./raft-core.js";
import type { CandidateRole } from "./role.js";
import { stepFollower } from "./step-follower.js";

export function stepCandidate(core: RaftCore, role: CandidateRole, message: Message): void {
  switch (message.type) {
    case "app":
    case "heartbeat":
    case "snap":
      // §5.2: somebody else won this term.
      core.transitionToFollower(message.term, message.from);
      if (core.role.name === "follower") stepFollower(core, core.role, message);
      break;
    case "voteResp":
      // Answers of an earlier stage of the same campaign do not count for this one.
      if (role.name === "candidate") onVote(core, message.from, !message.reject);
      break;
    case "preVoteResp":
      if (role.name === "preCandidate" && (message.reject || message.term === core.term + 1)) onVote(core, message.from, !message.reject);
      break;
    case "prop":
    case "appResp":
    case "heartbeatResp":
    case "readIndex":
    case "readIndexResp":
    case "timeoutNow":
    case "transferLeader":
    case "vote":
    case "preVote":
      break;
    default:
      unreachable(message);
  }
}
