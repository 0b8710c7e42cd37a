// etcdserverpb.Maintenance: how this member is, alarms, hashes, handing over leadership, a copy of its data.

import { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcCall, RpcHandlers, RpcServerStream } from "@lenj/rpc-server";
import { snapshotChunks } from "../backup/snapshot-chunks.js";
import type { Alarm } from "../core/alarms.js";
import type { AlarmAnswer } from "../core/answers.js";
import { parseClusterVersion, shortVersion } from "../core/cluster-version.js";
import { StoreError } from "../core/errors.js";
import { type ServiceContext, storeVersion } from "./context.js";
import { hashKeySpace } from "./data-hash.js";
import { PacedStream } from "./paced-stream.js";
import type { Work } from "./work-times.js";

const { AlarmRequest_AlarmAction: AlarmAction, AlarmType } = etcdserverpb;

export function maintenanceService(context: ServiceContext): RpcHandlers {
  const { replica, header, backend, access } = context;
  const measured = <T>(work: Work, run: () => Promise<T>): Promise<T> => context.work?.run(work, run) ?? run();
  return {
    snapshot: (_request: etcdserverpb.SnapshotRequest, stream: RpcServerStream<etcdserverpb.SnapshotResponse>): void => {
      measured("snapshot", () => sendSnapshot(context, stream)).then(
        () => stream.end(),
        (error: unknown) => stream.fail(error),
      );
    },
    status: (): etcdserverpb.StatusResponse => {
      const status = replica.node.status();
      const errors = [
        ...(replica.leaderID === 0n ? ["etcdserver: no leader"] : []),
        ...replica.state.alarms.list(0).map((alarm) => alarmText(alarm)),
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
        storageVersion: replica.state.version.version,
        dbSizeQuota: context.quotaBytes,
        downgradeInfo: {
          enabled: replica.state.version.downgrade.isEnabled,
          targetVersion: replica.state.version.downgrade.targetVersion,
        },
      };
    },
    alarm: async (request: etcdserverpb.AlarmRequest, call: RpcCall): Promise<etcdserverpb.AlarmResponse> => {
      if (request.action !== AlarmAction.GET) replica.state.auth.checkAdmin(access.identityOf(call));
      const answer = (await replica.propose({ alarm: request })) as AlarmAnswer;
      return { header: header(answer.revision), alarms: answer.alarms.map(({ memberID, alarm }) => ({ memberID, alarm })) };
    },
    defragment: async (): Promise<etcdserverpb.DefragmentResponse> => {
      await backend.flush();
      await measured("defragment", () => backend.database.compactRange(new Uint8Array(0), Uint8Array.of(0xff)));
      // etcd's answer has no header.
      return { header: undefined };
    },
    hash: async (): Promise<etcdserverpb.HashResponse> => ({
      header: header(replica.state.space.currentRevision),
      hash: (await measured("hash", () => hashKeySpace(backend, replica.state.space, 0))).hash,
    }),
    hashKv: async (request: etcdserverpb.HashKVRequest): Promise<etcdserverpb.HashKVResponse> => {
      const hashed = await measured("hashRevision", () => hashKeySpace(backend, replica.state.space, request.revision));
      return { header: header(replica.state.space.currentRevision), ...hashed };
    },
    moveLeader: (request: etcdserverpb.MoveLeaderRequest): etcdserverpb.MoveLeaderResponse => {
      if (!replica.isLeader) throw new StoreError("NOT_LEADER");
      const target = replica.state.members.get(request.targetID);
      if (target === undefined || target.isLearner) throw new StoreError("BAD_LEADER_TRANSFEREE");
      replica.transferLeadership(request.targetID);
      return { header: header(replica.state.space.currentRevision) };
    },
    downgrade: async (request: etcdserverpb.DowngradeRequest): Promise<etcdserverpb.DowngradeResponse> => {
      const version = await downgrade(context, request);
      return { header: header(replica.state.space.currentRevision), version: shortVersion(version) };
    },
  };
}

/** Returns the cluster's version after it. */
async function downgrade({ replica, logger }: ServiceContext, request: etcdserverpb.DowngradeRequest): Promise<string> {
  const { DowngradeRequest_DowngradeAction: Action } = etcdserverpb;
  const check = async (): Promise<string> => {
    const targetVersion = parseClusterVersion(request.version);
    await replica.linearizable();
    replica.state.version.checkDowngrade(targetVersion);
    return targetVersion;
  };
  if (request.action === Action.VALIDATE) await check();
  else if (request.action === Action.ENABLE) {
    const targetVersion = await check();
    await replica.propose({ downgradeInfoSet: { enabled: true, ver: targetVersion } });
  } else if (request.action === Action.CANCEL) {
    await replica.linearizable();
    if (replica.state.version.downgrade.isEnabled) await replica.propose({ downgradeInfoSet: { enabled: false, ver: "" } });
    // As upstream, whose answer is the same as when there was one.
    else logger.warn("There is no downgrade to cancel");
  } else throw new StoreError("UNKNOWN_METHOD");
  return replica.state.version.version;
}

/** As Go prints the message: after each field a space. */
function alarmText({ memberID, alarm }: Alarm): string {
  return `memberID:${memberID} alarm:${AlarmType[alarm]} `;
}

/** One chunk after the other, as fast as the client takes them. */
async function sendSnapshot(
  { backend, replica, header }: ServiceContext,
  stream: RpcServerStream<etcdserverpb.SnapshotResponse>,
): Promise<void> {
  const paced = new PacedStream(stream);
  const head = header(replica.state.space.currentRevision);
  for await (const { blob, remainingBytes } of snapshotChunks(backend, { signal: stream.signal }))
    await paced.write({ header: head, remainingBytes, blob, version: storeVersion });
}
