// etcdserverpb.Cluster: who the members are, and changing that.
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcHandlers } from "@lenj/rpc-server";
import { StoreError } from "../core/errors.js";
import type { MemberRecord } from "../core/membership.js";
import type { ServiceContext } from "./context.js";

export function clusterService(context: ServiceContext): RpcHandlers {
  const { replica, header, membership } = context;
  /** Membership has no revision: upstream's headers say 0 here. */
  const answer = (): { header: etcdserverpb.ResponseHeader; members: etcdserverpb.Member[] } => ({
    header: header(0),
    members: replica.state.members.list().map(wireMember),
  });
  return {
    memberList: async (request: etcdserverpb.MemberListRequest): Promise<etcdserverpb.MemberListResponse> => {
      if (request.linearizable) await replica.linearizable();
      return answer();
    },
    memberAdd: async (request: etcdserverpb.MemberAddRequest): Promise<etcdserverpb.MemberAddResponse> => {
      const member = await membership.add(checkedURLs(request.peerURLs), request.isLearner);
      return { ...answer(), member: wireMember(member) };
    },
    memberRemove: async (request: etcdserverpb.MemberRemoveRequest): Promise<etcdserverpb.MemberRemoveResponse> => {
      await membership.remove(request.ID);
      return answer();
    },
    memberUpdate: async (request: etcdserverpb.MemberUpdateRequest): Promise<etcdserverpb.MemberUpdateResponse> => {
      // etcd takes any address here; one that cannot be dialed would only be found out later.
      if (replica.state.members.get(request.ID) === undefined) throw new StoreError("MEMBER_NOT_FOUND");
      await membership.update(request.ID, checkedURLs(request.peerURLs));
      return answer();
    },
    memberPromote: async (request: etcdserverpb.MemberPromoteRequest): Promise<etcdserverpb.MemberPromoteResponse> => {
      await membership.promote(request.ID);
      return answer();
    },
  };
}

function wireMember(member: MemberRecord): etcdserverpb.Member {
  return { ID: member.id, name: member.name, peerURLs: member.peerUrls, clientURLs: member.clientUrls, isLearner: member.isLearner };
}

/** Throws MEMBER_BAD_URLS. */
function checkedURLs(urls: readonly string[]): string[] {
  const trimmed = urls.map((url) => url.trim());
  if (trimmed.length === 0 || !trimmed.every((url) => /^https?:\/\/[^/]+:\d+$/.test(url))) throw new StoreError("MEMBER_BAD_URLS");
  return trimmed;
}
