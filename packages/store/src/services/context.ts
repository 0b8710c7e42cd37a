// What the services need of the member they speak for.
import type { Clock, Logger, Random } from "@lenj/base";
import type { LevelBackend } from "../drivers/level/level-backend.js";
import type { Replica } from "../replica/replica.js";
import type { RequestTimes } from "../replica/request-times.js";
import type { Access } from "./access.js";
import type { Header } from "./answer-codec.js";
import type { MembershipChanges } from "./membership-changes.js";
import type { MessageCounts } from "./message-counts.js";
import type { WorkTimes } from "./work-times.js";

/** What `etcdctl endpoint status` and version checks of clients see: the etcd whose API this is. What the cluster runs as: ClusterVersion. */
export const storeVersion = "3.6.0";

export interface LeaseKeeperPort {
  /** Seconds of the lease's full time; undefined: no such lease. Rejects when there is no leader to ask. */
  renew(id: bigint): Promise<number | undefined>;
  times(id: bigint): Promise<{ readonly remainingSeconds: number; readonly grantedSeconds: number } | undefined>;
}

export interface ServiceContext {
  readonly replica: Replica;
  readonly backend: LevelBackend;
  readonly leases: LeaseKeeperPort;
  readonly membership: MembershipChanges;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly txnOpsMax: number;
  readonly maxRequestBytes: number;
  readonly quotaBytes: number;
  /** A quiet watch that asked for it hears this often how far it has come. Default: ten minutes. */
  readonly watchProgressMs?: number;
  /** Of password hashes: the base-2 logarithm of their rounds. */
  readonly bcryptCost: number;
  readonly access: Access;
  /** Told where the time of reads goes. */
  readonly times?: RequestTimes | undefined;
  /** Measures long work. */
  readonly work?: WorkTimes | undefined;
  /** Counts what passes over each method. */
  readonly messages?: MessageCounts | undefined;
  /** Open watch streams; ended when the front closes. */
  readonly streams: Set<{ close(): void }>;
  header(revision: number): Header;
}
