// What peers bring: messages, whole states, questions about leases.
//
// Not:   what messages mean (raft), when state is replaced (member), the ways to peers (peer-transport).
import type { Logger } from "@lenj/base";
import {
  type ClusterInfoReply,
  type FetchStateRequest,
  type LeasesRenewReply,
  type LeasesRenewRequest,
  type LeaseTimesReply,
  type LeaseTimesRequest,
  type PeerHashReply,
  type PeerHashRequest,
  type PeerReply,
  PeerService,
  type PromoteReply,
  type PromoteRequest,
  type QuarantineReply,
  type QuarantineRequest,
  type SnapshotChunk,
  type SnapshotReply,
} from "@lenj/proto/raft";
import type { Message } from "@lenj/raft";
import type { RpcDuplexStream, RpcHandlers, RpcServerStream, RpcService, RpcStatus } from "@lenj/rpc-server";
import type { HashReport } from "../../core/compare-hashes.js";
import { grpcStatus, toGrpcStatus } from "../../core/errors.js";
import type { PeerAddress } from "../../replica/ports.js";
import { PacedStream } from "../../services/paced-stream.js";
import { decodeFrame, type ReceivedFrame } from "./frame-codec.js";
import type { PeerCounts } from "./peer-counts.js";
import type { StateReceiver } from "./state-receiver.js";

/** The generated service, with the stream's frames read by a codec of their own. */
export const peerServiceDefinition = {
  ...PeerService,
  exchange: { ...PeerService.exchange, requestDeserialize: decodeFrame },
} as unknown as RpcService;

/** What the member does with what peers bring. */
export interface PeerReceiver {
  readonly clusterID: bigint;
  readonly memberID: bigint;
  readonly counts: PeerCounts;
  nowMs(): number;
  isRemoved(id: bigint): boolean;
  appliedIndex(): number;
  step(messages: readonly Message[]): void;
  /** A peer says who and where it is. */
  meet(peer: PeerAddress): void;
  clusterInfo(): ClusterInfoReply;
  promote(id: bigint): Promise<void>;
  localRenew(id: bigint): Promise<number | undefined>;
  localTimes(id: bigint): { readonly remainingSeconds: number; readonly grantedSeconds: number } | undefined;
  hashAt(revision: number): Promise<HashReport>;
  /** Resolves once this member has compared and, where it differs, is on its way out of service. */
  quarantine(majority: HashReport): Promise<boolean>;
  /** What to send to a member that lost its state. Rejects with NOT_LEADER. */
  leadersState(request: FetchStateRequest): Promise<AsyncIterable<SnapshotChunk>>;
}

/** Tells a member that it is none any more. */
export const removedReason = "the member has been permanently removed from the cluster";

/** A peer is told why it is refused; peers are trusted, so nothing is held back. */
class PeerRefused extends Error {
  override readonly name = "PeerRefused";

  constructor(
    readonly grpcCode: number,
    message: string,
  ) {
    super(message);
  }
}

export function toPeerStatus(error: unknown): RpcStatus {
  return error instanceof PeerRefused ? { code: error.grpcCode, details: error.message } : toGrpcStatus(error);
}

export function peerService(receiver: PeerReceiver, states: StateReceiver, logger: Logger): RpcHandlers {
  return {
    exchange: (stream: RpcDuplexStream<ReceivedFrame, PeerReply>) => exchange(stream, receiver, logger),
    installSnapshot: (stream: RpcDuplexStream<SnapshotChunk, SnapshotReply>) => {
      states
        .receive(messagesOf(stream), (reply) => stream.write(reply))
        .then(
          () => stream.end(),
          (error: unknown) => {
            logger.warn("Snapshot refused", { error });
            stream.fail(new PeerRefused(grpcStatus.ABORTED, error instanceof Error ? error.message : String(error)));
          },
        );
    },
    renewLeases: async ({ ids }: LeasesRenewRequest): Promise<LeasesRenewReply> => {
      const ttlSeconds = await Promise.all(ids.map((id) => receiver.localRenew(id)));
      return { ttlSeconds: ttlSeconds.map((seconds) => BigInt(seconds ?? 0)) };
    },
    clusterInfo: () => receiver.clusterInfo(),
    promoteMember: async ({ clusterId, memberId }: PromoteRequest): Promise<PromoteReply> => {
      checkCluster(receiver, clusterId);
      try {
        await receiver.promote(memberId);
        return { error: "" };
      } catch (error) {
        return { error: toGrpcStatus(error).details };
      }
    },
    hashKv: async ({ clusterId, revision }: PeerHashRequest): Promise<PeerHashReply> => {
      checkCluster(receiver, clusterId);
      const { memberID: memberId, ...hashed } = await receiver.hashAt(revision);
      return { memberId, ...hashed };
    },
    quarantine: async ({ clusterId, memberId, majority }: QuarantineRequest): Promise<QuarantineReply> => {
      checkCluster(receiver, clusterId);
      if (memberId !== receiver.memberID || majority === undefined)
        throw new PeerRefused(grpcStatus.FAILED_PRECONDITION, `member ${memberId.toString(16)} is not here`);
      const { memberId: memberID, ...hashed } = majority;
      return { quarantined: await receiver.quarantine({ memberID, ...hashed }) };
    },
    fetchState: (request: FetchStateRequest, stream: RpcServerStream<SnapshotChunk>): void => {
      const { memberId } = request;
      sendState(stream, receiver, request).then(
        () => {
          logger.info("Sent state to a member that lost its own", { member: memberId.toString(16) });
          stream.end();
        },
        (error: unknown) => stream.fail(error),
      );
    },
    leaseTimes: ({ id }: LeaseTimesRequest): LeaseTimesReply => {
      const times = receiver.localTimes(id);
      return {
        remainingTtlSeconds: times?.remainingSeconds ?? 0,
        grantedTtlSeconds: times?.grantedSeconds ?? 0,
        notFound: times === undefined,
      };
    },
  };
}

function checkCluster({ clusterID }: PeerReceiver, other: bigint): void {
  if (other !== clusterID)
    throw new PeerRefused(grpcStatus.FAILED_PRECONDITION, `cluster ID mismatch: ${other.toString(16)} is not ${clusterID.toString(16)}`);
}

async function sendState(stream: RpcServerStream<SnapshotChunk>, receiver: PeerReceiver, request: FetchStateRequest): Promise<void> {
  const paced = new PacedStream(stream);
  checkCluster(receiver, request.clusterId);
  for await (const chunk of await receiver.leadersState(request)) await paced.write(chunk);
}

function exchange(stream: RpcDuplexStream<ReceivedFrame, PeerReply>, receiver: PeerReceiver, logger: Logger): void {
  let welcomed: bigint | undefined;
  const refuse = (details: string): void => {
    logger.warn("Refused peer", { reason: details });
    stream.fail(new PeerRefused(grpcStatus.FAILED_PRECONDITION, details));
  };
  stream.onMessage = ({ hello, messages, sizeBytes }) => {
    if (hello !== undefined) {
      const { clusterId, from, to } = hello;
      if (clusterId !== receiver.clusterID)
        refuse(`cluster ID mismatch: ${clusterId.toString(16)} is not ${receiver.clusterID.toString(16)}`);
      else if (to !== receiver.memberID) refuse(`member ${to.toString(16)} is not here`);
      else if (receiver.isRemoved(from)) refuse(removedReason);
      else {
        welcomed = from;
        receiver.meet({ id: from, peerURLs: hello.peerUrls });
        stream.write({ clusterId: receiver.clusterID, memberId: receiver.memberID });
      }
      return;
    }
    if (welcomed === undefined) return;
    // Removed since it was welcomed: it may not have heard of that, and would disturb the others for ever.
    if (receiver.isRemoved(welcomed)) {
      welcomed = undefined;
      return refuse(removedReason);
    }
    receiver.counts.of(welcomed).receivedBytes += sizeBytes;
    if (messages.some(({ type }) => type === "heartbeatResp")) receiver.counts.of(welcomed).onHeartbeatAnswered(receiver.nowMs());
    receiver.step(messages);
  };
  stream.onHalfClose = () => stream.end();
}

/** What a client sends, taken one by one: the sender waits while one is worked on. */
function messagesOf<T>(stream: RpcDuplexStream<T, unknown>): AsyncIterable<T> {
  const arrived: T[] = [];
  let isOver = false;
  let wake = (): void => {};
  stream.onMessage = (message) => {
    arrived.push(message);
    stream.pause();
    wake();
  };
  stream.onHalfClose = stream.onClose = () => {
    isOver = true;
    wake();
  };
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const next = arrived.shift();
        if (next !== undefined) yield next;
        else if (isOver) return;
        else {
          stream.resume();
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
  };
}
