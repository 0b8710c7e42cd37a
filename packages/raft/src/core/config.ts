import { silentLogger } from "@lenj/base";
import { RaftError } from "../errors.js";
import { noMember, type RaftConfig } from "../types.js";

export type ResolvedConfig = Required<Omit<RaftConfig, "applied">> & Pick<RaftConfig, "applied">;

const mebibyte = 1024 * 1024;

/** Fills in defaults (etcd's, where it has them) and checks ranges. Throws RaftError CONFIG_INVALID naming every problem. */
export function resolveConfig(config: RaftConfig): ResolvedConfig {
  const electionTicks = config.electionTicks ?? 10;
  const resolved: ResolvedConfig = {
    logger: silentLogger,
    heartbeatTicks: 1,
    preVote: true,
    checkQuorum: true,
    maxSizePerMessageBytes: mebibyte,
    maxInflightMessages: 512,
    maxInflightBytes: 256 * mebibyte,
    maxUncommittedEntriesBytes: 1024 * mebibyte,
    maxApplyingEntriesBytes: 64 * mebibyte,
    maxPendingReads: 65_536,
    readOnly: "safe",
    disableProposalForwarding: false,
    stepDownOnRemoval: true,
    persistStallTicks: 2 * electionTicks,
    ...config,
    electionTicks,
  };
  const problems: string[] = [];
  if (resolved.id === noMember) problems.push("id must not be 0");
  for (const name of ["heartbeatTicks", "maxInflightMessages", "maxInflightBytes", "maxApplyingEntriesBytes", "maxPendingReads"] as const) {
    if (!(resolved[name] > 0)) problems.push(`${name} must be greater than 0`);
  }
  for (const name of ["maxSizePerMessageBytes", "maxUncommittedEntriesBytes", "persistStallTicks"] as const) {
    if (!(resolved[name] >= 0)) problems.push(`${name} must not be negative`);
  }
  if (!(electionTicks > resolved.heartbeatTicks)) problems.push("electionTicks must be greater than heartbeatTicks");
  if (resolved.readOnly === "leaseBased" && !resolved.checkQuorum) problems.push("checkQuorum must be on when readOnly is leaseBased");
  if (problems.length > 0) throw new RaftError("CONFIG_INVALID", `Cannot use raft config: ${problems.join("; ")}`);
  return resolved;
}
