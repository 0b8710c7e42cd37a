// The calls that the two servers are compared on.
import { etcdserverpb, v3electionpb, v3lockpb } from "@lenj/proto/etcd";

const { AuthService, KVService, LeaseService, ClusterService, MaintenanceService } = etcdserverpb;

/**
 * "Service/Method". Left out: what 3.4 does not have (RangeStream, AuthStatus, Downgrade), what says how a server stores (Hash, Snapshot),
 * what does not end (Election/Observe).
 */
export const methods = {
  "KV/Range": KVService.range,
  "KV/Put": KVService.put,
  "KV/DeleteRange": KVService.deleteRange,
  "KV/Txn": KVService.txn,
  "KV/Compact": KVService.compact,
  "Lease/LeaseGrant": LeaseService.leaseGrant,
  "Lease/LeaseRevoke": LeaseService.leaseRevoke,
  "Lease/LeaseKeepAlive": LeaseService.leaseKeepAlive,
  "Lease/LeaseTimeToLive": LeaseService.leaseTimeToLive,
  "Lease/LeaseLeases": LeaseService.leaseLeases,
  "Cluster/MemberAdd": ClusterService.memberAdd,
  "Cluster/MemberRemove": ClusterService.memberRemove,
  "Cluster/MemberUpdate": ClusterService.memberUpdate,
  "Cluster/MemberPromote": ClusterService.memberPromote,
  "Cluster/MemberList": ClusterService.memberList,
  "Maintenance/Alarm": MaintenanceService.alarm,
  "Maintenance/Status": MaintenanceService.status,
  "Maintenance/Defragment": MaintenanceService.defragment,
  "Maintenance/HashKV": MaintenanceService.hashKv,
  "Maintenance/MoveLeader": MaintenanceService.moveLeader,
  "Auth/AuthEnable": AuthService.authEnable,
  "Auth/AuthDisable": AuthService.authDisable,
  "Auth/Authenticate": AuthService.authenticate,
  "Auth/UserAdd": AuthService.userAdd,
  "Auth/UserGet": AuthService.userGet,
  "Auth/UserList": AuthService.userList,
  "Auth/UserDelete": AuthService.userDelete,
  "Auth/UserChangePassword": AuthService.userChangePassword,
  "Auth/UserGrantRole": AuthService.userGrantRole,
  "Auth/UserRevokeRole": AuthService.userRevokeRole,
  "Auth/RoleAdd": AuthService.roleAdd,
  "Auth/RoleGet": AuthService.roleGet,
  "Auth/RoleList": AuthService.roleList,
  "Auth/RoleDelete": AuthService.roleDelete,
  "Auth/RoleGrantPermission": AuthService.roleGrantPermission,
  "Auth/RoleRevokePermission": AuthService.roleRevokePermission,
  "Lock/Lock": v3lockpb.LockService.lock,
  "Lock/Unlock": v3lockpb.LockService.unlock,
  "Election/Campaign": v3electionpb.ElectionService.campaign,
  "Election/Proclaim": v3electionpb.ElectionService.proclaim,
  "Election/Leader": v3electionpb.ElectionService.leader,
  "Election/Resign": v3electionpb.ElectionService.resign,
} as const;

export interface UnaryRequest {
  readonly name: keyof typeof methods;
  readonly message: unknown;
  /** Asked with the token that this user last got. Absent: without a token. */
  readonly user?: string | undefined;
  /** Asked only while nobody but the holder of this lease has a key under the prefix: it would wait for the others. */
  readonly queue?: { readonly prefix: Buffer; readonly lease: bigint };
}

/** Something said on the open watch stream. */
export interface WatchAction {
  readonly name: "watch";
  readonly message: etcdserverpb.WatchRequest;
}

export type Action = UnaryRequest | WatchAction;
