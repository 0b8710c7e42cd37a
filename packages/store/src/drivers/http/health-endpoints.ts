// /health, /livez and /readyz as etcd has them.
// Source: etcd server/etcdserver/api/etcdhttp/health.go.
import { etcdserverpb } from "@lenj/proto/etcd";
import { StoreError, toGrpcStatus } from "../../core/errors.js";
import type { Replica } from "../../replica/replica.js";

const { AlarmType } = etcdserverpb;

export type HealthState = Pick<Replica, "state" | "leaderID" | "config" | "linearizable">;

/** undefined: passes; else the reason. */
type Check = (replica: HealthState) => string | undefined | Promise<string | undefined>;

const serializableRead: Check = ({ state }) =>
  state.alarms.has(AlarmType.CORRUPT) ? toGrpcStatus(new StoreError("CORRUPT_CLUSTER")).details : undefined;

const linearizableRead: Check = async (replica) => {
  try {
    await replica.linearizable();
    return serializableRead(replica);
  } catch (error) {
    return toGrpcStatus(error).details;
  }
};

/** By endpoint, then by name. */
export const healthChecks: Readonly<Record<"livez" | "readyz", Readonly<Record<string, Check>>>> = {
  livez: { serializable_read: serializableRead },
  readyz: {
    data_corruption: ({ state }) => (state.alarms.has(AlarmType.CORRUPT) ? "alarm activated: CORRUPT" : undefined),
    serializable_read: serializableRead,
    linearizable_read: linearizableRead,
    non_learner: ({ state, config }) => (state.members.get(config.memberID)?.isLearner === true ? "not supported for learner" : undefined),
  },
};

export interface CheckedHealth {
  readonly isHealthy: boolean;
  /** A line for each check. */
  readonly lines: string;
}

export async function runChecks(replica: HealthState, endpoint: "livez" | "readyz", names: readonly string[]): Promise<CheckedHealth> {
  const results = await Promise.all(names.map(async (name) => ({ name, problem: await healthChecks[endpoint][name]?.(replica) })));
  return {
    isHealthy: results.every(({ problem }) => problem === undefined),
    lines: results.map(({ name, problem }) => (problem === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${problem}\n`)).join(""),
  };
}

export interface HealthAnswer {
  readonly health: "true" | "false";
  readonly reason: string;
}

/** The older answer: alarms (but for excluded ones), a leader, a read. Serializable: this member alone. */
export async function checkHealth(
  replica: HealthState,
  options: { readonly excludedAlarms: readonly string[]; readonly isSerializable: boolean },
): Promise<HealthAnswer> {
  const failed = (reason: string): HealthAnswer => ({ health: "false", reason });
  for (const { alarm } of replica.state.alarms.list(AlarmType.NONE)) {
    const name = AlarmType[alarm] ?? "UNKNOWN";
    if (!options.excludedAlarms.includes(name)) return failed(`ALARM ${name}`);
  }
  if (!options.isSerializable && replica.leaderID === 0n) return failed("RAFT NO LEADER");
  const problem = await (options.isSerializable ? serializableRead : linearizableRead)(replica);
  return problem === undefined ? { health: "true", reason: "" } : failed(`RANGE ERROR:${problem}`);
}
