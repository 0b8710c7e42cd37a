// Maintenance.Status of one endpoint, of ours or of an etcd.
import { etcdserverpb } from "@lenj/proto/etcd";
import { detailsOf } from "./cluster-admin.js";
import { authenticate, channelOf, type EndpointAccess } from "./endpoint-channel.js";

const timeoutMs = 5_000;

export interface EndpointStatus {
  readonly endpoint: string;
  readonly id: bigint;
  readonly version: string;
  readonly role: "leader" | "follower" | "learner" | "unknown";
  readonly isLearner: boolean;
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly dbSizeBytes: number;
  readonly dbSizeInUseBytes: number;
  /** What is wrong: no leader, alarms. */
  readonly errors: readonly string[];
  /** Why there is no answer; the rest then means nothing. */
  readonly failure?: string;
}

export async function askStatus(endpoint: string, access: EndpointAccess): Promise<EndpointStatus> {
  try {
    const { header, ...status } = await call(endpoint, access);
    const id = header?.memberId ?? 0n;
    return {
      ...{ endpoint, id, version: status.version, isLearner: status.isLearner, errors: status.errors },
      role: status.leader === id ? "leader" : status.isLearner ? "learner" : "follower",
      ...{ term: status.raftTerm, commit: status.raftIndex, applied: status.raftAppliedIndex },
      ...{ dbSizeBytes: status.dbSize, dbSizeInUseBytes: status.dbSizeInUse },
    };
  } catch (error) {
    return {
      ...{ endpoint, id: 0n, version: "", role: "unknown", isLearner: false, term: 0, commit: 0, applied: 0 },
      ...{ dbSizeBytes: 0, dbSizeInUseBytes: 0, errors: [], failure: detailsOf(error) },
    };
  }
}

async function call(endpoint: string, access: EndpointAccess): Promise<etcdserverpb.StatusResponse> {
  const metadata = await authenticate(endpoint, access);
  const client = new etcdserverpb.MaintenanceClient(...channelOf(endpoint, access));
  return new Promise<etcdserverpb.StatusResponse>((resolve, reject) => {
    client.status({}, metadata, { deadline: Date.now() + timeoutMs }, (error, response) =>
      error === null ? resolve(response) : reject(error),
    );
  }).finally(() => client.close());
}
