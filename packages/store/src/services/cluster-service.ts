// etcdserverpb.Cluster: who the members are, and changing that.
import { createHash } from "node:crypto";
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcHandlers } from "@lenj/rpc-server";
import { StoreError } from "../core/errors.js";
import type { MemberRecord, Membership } from "../core/membership.js";
import type { ServiceContext } from "./context.js";

const learnersMax = 1;

export function clusterService(context: ServiceContext): RpcHandlers {
  const { replica, header, clock } = context;
  // Looked up at each use: a snapshot of the leader may replace the state.
  const members = (): Membership => replica.state.members;
  const list = (): etcdserverpb.Member[] => members().list().map(wireMember);
  const answer = (): { header: etcdserverpb.ResponseHeader; members: etcdserverpb.Member[] } => ({
    header: header(replica.state.space.currentRevision),
    members: list(),
  });
  return {
    memberList: async (request: etcdserverpb.MemberListRequest): Promise<etcdserverpb.MemberListResponse> => {
      if (request.linearizable) await replica.linearizable();
      return answer();
    },
    memberAdd: async (request: etcdserverpb.MemberAddRequest): Promise<etcdserverpb.MemberAddResponse> => {
      checkPeerURLs(request.peerURLs);
      const id = memberIDOf(request.peerURLs, String(clock.wallMs()));
      members().checkAdd(id, request.peerURLs, request.isLearner, learnersMax);
      const member: MemberRecord = { id, peerUrls: request.peerURLs, name: "", clientUrls: [], isLearner: request.isLearner };
      await replica.proposeMembership([{ type: request.isLearner ? "addLearner" : "addVoter", memberID: id }], { member, promote: false });
      return { ...answer(), member: wireMember(member) };
    },
    memberRemove: async (request: etcdserverpb.MemberRemoveRequest): Promise<etcdserverpb.MemberRemoveResponse> => {
      members().checkExists(request.ID);
      await replica.proposeMembership([{ type: "remove", memberID: request.ID }], { member: undefined, promote: false });
      return answer();
    },
    memberUpdate: async (request: etcdserverpb.MemberUpdateRequest): Promise<etcdserverpb.MemberUpdateResponse> => {
      checkPeerURLs(request.peerURLs);
      members().checkUpdate(request.ID, request.peerURLs);
      const member = { ...members().checkExists(request.ID), peerUrls: request.peerURLs };
      await replica.proposeMembership([{ type: "update", memberID: request.ID }], { member, promote: false });
      return answer();
    },
    memberPromote: async (request: etcdserverpb.MemberPromoteRequest): Promise<etcdserverpb.MemberPromoteResponse> => {
      const member = members().checkExists(request.ID);
      if (!member.isLearner) throw new StoreError("MEMBER_NOT_LEARNER");
      if (!replica.isLeader) throw new StoreError("NOT_LEADER");
      const status = replica.node.status();
      const progress = status.progress.get(request.ID);
      // As etcd: at least nine tenths of the leader's log.
      if (progress === undefined || progress.match < status.commit * 0.9) throw new StoreError("LEARNER_NOT_READY");
      await replica.proposeMembership([{ type: "addVoter", memberID: request.ID }], {
        member: { ...member, isLearner: false },
        promote: true,
      });
      return answer();
    },
  };
}

function wireMember(member: MemberRecord): etcdserverpb.Member {
  return { ID: member.id, name: member.name, peerURLs: member.peerUrls, clientURLs: member.clientUrls, isLearner: member.isLearner };
}

function checkPeerURLs(urls: readonly string[]): void {
  const isGood = (url: string): boolean => /^https?:\/\/[^/]+:\d+\/?$/.test(url);
  if (urls.length === 0 || !urls.every(isGood)) throw new StoreError("MEMBER_BAD_URLS");
}

/** A member's identity: the first eight bytes of a hash over its peer URLs and a salt (the cluster's token, or the time it was added). */
export function memberIDOf(peerURLs: readonly string[], salt: string): bigint {
  return createHash("sha1")
    .update([...peerURLs].sort().join(""))
    .update(salt)
    .digest()
    .readBigUInt64BE();
}
