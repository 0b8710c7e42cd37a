// A follower that is told that its leader's process is gone does not wait for the election timeout, which is for guessing that.
//
// G1. Followers ask for votes one after the other, in the order of their ids, so that they do not split the vote; the first leaves the
//     others time to learn it too, for those who have not still keep their promise to the leader. Who cannot win is overtaken by the next.
// G2. One sign of life from the leader, and all is as before.
// No upstream counterpart but MsgForgetLeader, which leaves it to the embedder who campaigns and when.

import { voterIDs } from "../confchange/membership.js";
import { type MemberID, noMember } from "../types.js";
import type { RaftCore } from "./raft-core.js";

const ticksApart = 2;

export function onLeaderGone(core: RaftCore, id: MemberID): void {
  const { role, config, membership } = core;
  // With lease reads the promise to the leader is also that it may answer without asking, and being told may be wrong.
  if (role.name !== "follower" || role.leaderID !== id || id === noMember || config.readOnly === "leaseBased") return;
  config.logger.info("Nobody listens at the leader's address any more", { member: core.id.toString(), leader: id.toString() });
  role.leaderID = noMember;
  const before = voterIDs(membership).filter((voter) => voter !== id && voter < core.id).length;
  core.campaignAtTick = core.ticks + ticksApart * (1 + before);
}
