// etcdserverpb.Maintenance: how this member is, alarms, hashes, handing over leadership, a copy of its data.

import { DataHash, decodeMain } from "@lenj/mvcc";
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcHandlers } from "@lenj/rpc-server";
import type { AlarmAnswer } from "../core/answers.js";
import { StoreError } from "../core/errors.js";
import { type ServiceContext, storeVersion } from "./context.js";

export function maintenanceService(context: ServiceContext): RpcHandlers {
  const { replica, header, backend } = context;
  return {
    status: (): etcdserverpb.StatusResponse => {
      const status = replica.node.status();
      const errors = [
        ...(replica.leaderID === 0n ? ["etcdserver: no leader"] : []),
        ...replica.state.alarms.list(0).map((alarm) => `memberID:${alarm.memberID} alarm:${alarm.alarm}`),
      ];
      return {
        header: header(replica.state.space.currentRevision),
        version: storeVersion,
        dbSize: replica.state.space.bytesInUse,
        dbSizeInUse: replica.state.space.bytesInUse,
        leader: replica.leaderID,
        raftIndex: status.commit,
        raftTerm: status.term,
        raftAppliedIndex: replica.appliedIndex,
        errors,
        isLearner: replica.state.members.get(replica.config.memberID)?.isLearner ?? false,
        storageVersion: "3.6.0",
        dbSizeQuota: context.quotaBytes,
        downgradeInfo: { enabled: false, targetVersion: "" },
      };
    },
    alarm: async (request: etcdserverpb.AlarmRequest): Promise<etcdserverpb.AlarmResponse> => {
      const answer = (await replica.propose({ alarm: request })) as AlarmAnswer;
      return { header: header(answer.revision), alarms: answer.alarms.map(({ memberID, alarm }) => ({ memberID, alarm })) };
    },
    defragment: async (): Promise<etcdserverpb.DefragmentResponse> => {
      await backend.flush();
      await backend.database.compactRange(new Uint8Array(0), Uint8Array.of(0xff));
      return { header: header(replica.state.space.currentRevision) };
    },
    hash: async (): Promise<etcdserverpb.HashResponse> => ({
      header: header(replica.state.space.currentRevision),
      hash: await hashRows(context, 0),
    }),
    hashKv: async (request: etcdserverpb.HashKVRequest): Promise<etcdserverpb.HashKVResponse> => {
      replica.state.space.checkReadable(request.revision);
      const hash = await hashRows(context, request.revision);
      return {
        header: header(replica.state.space.currentRevision),
        hash,
        compactRevision: replica.state.space.compactRevision,
        hashRevision: request.revision === 0 ? replica.state.space.currentRevision : request.revision,
      };
    },
    moveLeader: (request: etcdserverpb.MoveLeaderRequest): etcdserverpb.MoveLeaderResponse => {
      if (!replica.isLeader) throw new StoreError("NOT_LEADER");
      const target = replica.state.members.get(request.targetID);
      if (target === undefined || target.isLearner) throw new StoreError("BAD_LEADER_TRANSFEREE");
      replica.transferLeadership(request.targetID);
      return { header: header(replica.state.space.currentRevision) };
    },
  };
}

/** Over the rows through `revision` (0: all) that a compaction leaves. */
async function hashRows({ backend, replica }: ServiceContext, revision: number): Promise<number> {
  await backend.flush();
  const { space } = replica.state;
  const hash = new DataHash();
  const through = revision === 0 ? space.currentRevision : revision;
  for await (const chunk of backend.rows("key")) {
    for (const [key, row] of chunk) if (decodeMain(key) <= through && space.isHashed(decodeMain(key), row)) hash.addRow(key, row);
  }
  return hash.value;
}
