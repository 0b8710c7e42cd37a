// etcdserverpb.Lease: grants and revocations through the log; how long a lease has left only the leader knows.

import { keyToBytes } from "@lenj/mvcc";
import type { etcdserverpb } from "@lenj/proto/etcd";
import type { RpcCall, RpcDuplexStream, RpcHandlers } from "@lenj/rpc-server";
import type { LeaseGrantAnswer } from "../core/answers.js";
import { authorizeLeaseRead, authorizeLeaseWrite, requireIdentity } from "../core/auth/authorize.js";
import type { ServiceContext } from "./context.js";
import { leaseCost, Quota } from "./quota.js";

type KeepAliveStream = RpcDuplexStream<etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse>;

/** Renewals of one stream that wait for the leader; no more are read meanwhile. */
const renewalsMax = 128;

export function leaseService(context: ServiceContext): RpcHandlers {
  const { replica, header, leases, access } = context;
  return {
    leaseGrant: async (request: etcdserverpb.LeaseGrantRequest, call: RpcCall): Promise<etcdserverpb.LeaseGrantResponse> => {
      const answer = await grantLease(context, request, call);
      return { header: header(answer.revision), ID: answer.id, TTL: answer.ttlSeconds, error: "" };
    },
    leaseRevoke: async (request: etcdserverpb.LeaseRevokeRequest, call: RpcCall): Promise<etcdserverpb.LeaseRevokeResponse> => {
      const answer = await replica.propose({ ...access.headerOf(call), leaseRevoke: request });
      return { header: header(answer.revision) };
    },
    leaseKeepAlive: (stream: KeepAliveStream) => keepAlive(context, stream),
    leaseTimeToLive: async (request: etcdserverpb.LeaseTimeToLiveRequest, call: RpcCall): Promise<etcdserverpb.LeaseTimeToLiveResponse> => {
      await replica.linearizable();
      const times = await leases.times(request.ID);
      if (request.keys) authorizeLeaseRead(replica.state, access.identityOf(call), request.ID);
      const lease = replica.state.leases.get(request.ID);
      const keys = request.keys && lease !== undefined ? [...lease.keys].map((key) => Buffer.from(keyToBytes(key))) : [];
      return {
        header: header(replica.state.space.currentRevision),
        ID: request.ID,
        TTL: times?.remainingSeconds ?? -1,
        grantedTTL: times?.grantedSeconds ?? 0,
        keys,
      };
    },
    leaseLeases: async (_request: etcdserverpb.LeaseLeasesRequest, call: RpcCall): Promise<etcdserverpb.LeaseLeasesResponse> => {
      await replica.linearizable();
      const identity = access.identityOf(call);
      for (const id of replica.state.leases.ids()) authorizeLeaseRead(replica.state, identity, id);
      return { header: header(replica.state.space.currentRevision), leases: replica.state.leases.ids().map((ID) => ({ ID })) };
    },
  };
}

/**
 * Renewals of one stream are asked for together and answered in their order: each waits for the leader, and all that wait at once cost it
 * one question to the others.
 */
function keepAlive(context: ServiceContext, stream: KeepAliveStream): void {
  const { replica, header, leases, access } = context;
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  const renew = async (id: bigint): Promise<number | undefined> => {
    await access.ready(stream);
    checkRenewal(context, stream, id);
    return leases.renew(id);
  };
  stream.onMessage = ({ ID }) => {
    waiting += 1;
    if (waiting === renewalsMax) stream.pause();
    const renewed = renew(ID);
    renewed.catch(() => {}); // Heard of in its turn.
    last = last.then(async () => {
      // An unknown lease is no error here: it has no time left.
      const TTL = (await renewed) ?? 0;
      stream.write({ header: header(replica.state.space.currentRevision), ID, TTL });
      if (waiting === renewalsMax) stream.resume();
      waiting -= 1;
    });
    last.catch((error: unknown) => stream.fail(error));
  };
  stream.onHalfClose = () => {
    last.catch(() => {}).finally(() => stream.end());
  };
}

/** ID 0: any free one. A TTL below the least is raised to it. */
export async function grantLease(
  context: ServiceContext,
  request: etcdserverpb.LeaseGrantRequest,
  call: RpcCall,
): Promise<LeaseGrantAnswer> {
  const { replica, random, access } = context;
  requireIdentity(replica.state, access.identityOf(call));
  await new Quota(context).check(leaseCost);
  // As upstream: one and a half election timeouts, in whole seconds.
  const ttlSecondsMin = Math.ceil((1.5 * replica.config.electionTicks * replica.config.heartbeatMs) / 1_000);
  // 63 bits, so that the number is positive in every language.
  const id = request.ID === 0n ? Buffer.from(random.bytes(8)).readBigUInt64BE() & 0x7fff_ffff_ffff_ffffn || 1n : request.ID;
  const leaseGrant = { ID: id, TTL: Math.max(ttlSecondsMin, request.TTL) };
  return (await replica.propose({ ...access.headerOf(call), leaseGrant })) as LeaseGrantAnswer;
}

function checkRenewal({ replica, access }: ServiceContext, call: RpcCall, id: bigint): void {
  const identity = access.identityOf(call);
  requireIdentity(replica.state, identity);
  authorizeLeaseWrite(replica.state, identity, id);
}
