// etcdserverpb.Maintenance: how this member is, alarms, hashes, handing over leadership, a copy of its data.

import { DataHash, decodeMain } from "@lenj/mvcc";
import { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcCall, RpcHandlers, RpcServerStream } from "@lenj/rpc-server";
import { snapshotChunks } from "../backup/snapshot-chunks.js";
import type { AlarmAnswer } from "../core/answers.js";
import { StoreError } from "../core/errors.js";
import { type ServiceContext, storageVersion, storeVersion } from "./context.js";

const { AlarmRequest_AlarmAction: AlarmAction } = etcdserverpb;

export function maintenanceService(context: ServiceContext): RpcHandlers {
  const { replica, header, backend, access } = context;
  return {
    snapshot: (_request: etcdserverpb.SnapshotRequest, stream: RpcServerStream<etcdserverpb.SnapshotResponse>): void => {
      sendSnapshot(context, stream).then(
        () => stream.end(),
        (error: unknown) => stream.fail(error),
      );
    },
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
        storageVersion,
        dbSizeQuota: context.quotaBytes,
        downgradeInfo: { enabled: false, targetVersion: "" },
      };
    },
    alarm: async (request: etcdserverpb.AlarmRequest, call: RpcCall): Promise<etcdserverpb.AlarmResponse> => {
      if (request.action !== AlarmAction.GET) replica.state.auth.checkAdmin(access.identityOf(call));
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

/** One chunk after the other, as fast as the client takes them. */
async function sendSnapshot(
  { backend, replica, header }: ServiceContext,
  stream: RpcServerStream<etcdserverpb.SnapshotResponse>,
): Promise<void> {
  const closed = new AbortController();
  let wake = (): void => {};
  stream.onDrain = () => wake();
  stream.onClose = () => {
    closed.abort(new StoreError("STOPPED"));
    wake();
  };
  const head = header(replica.state.space.currentRevision);
  for await (const { blob, remainingBytes } of snapshotChunks(backend, { signal: closed.signal })) {
    stream.write({ header: head, remainingBytes, blob, version: storeVersion });
    while (stream.needsDrain && !closed.signal.aborted) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    closed.signal.throwIfAborted();
  }
}

/** Over the rows that count at `revision` (0: the current one). */
async function hashRows({ backend, replica }: ServiceContext, revision: number): Promise<number> {
  await backend.flush();
  const { space } = replica.state;
  const hash = new DataHash();
  const through = revision === 0 ? space.currentRevision : revision;
  for await (const chunk of backend.rows("key")) {
    for (const [key, row] of chunk) if (space.isHashed(decodeMain(key), row, through)) hash.addRow(key, row);
  }
  return hash.value;
}
