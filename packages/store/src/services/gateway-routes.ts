// Where HTTP clients find each method: POST to the path, JSON in and out.
// Source: the gateway annotations of etcd's api/etcdserverpb/rpc.proto, v3lock.proto and v3election.proto.

function routes(prefix: string, service: string, methods: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(methods).map(([path, method]) => [`${prefix}/${path}`, `/${service}/${method}`]);
}

const lease = { revoke: "LeaseRevoke", timetolive: "LeaseTimeToLive", leases: "LeaseLeases" };

/** gRPC path by HTTP path. */
export const gatewayRoutes: ReadonlyMap<string, string> = new Map([
  ...routes("/v3/kv", "etcdserverpb.KV", { range: "Range", put: "Put", deleterange: "DeleteRange", txn: "Txn", compaction: "Compact" }),
  ...routes("/v3", "etcdserverpb.Watch", { watch: "Watch" }),
  ...routes("/v3/lease", "etcdserverpb.Lease", { grant: "LeaseGrant", keepalive: "LeaseKeepAlive", ...lease }),
  // As older clients have them.
  ...routes("/v3/kv/lease", "etcdserverpb.Lease", lease),
  ...routes("/v3/cluster/member", "etcdserverpb.Cluster", {
    ...{ add: "MemberAdd", remove: "MemberRemove", update: "MemberUpdate", list: "MemberList", promote: "MemberPromote" },
  }),
  ...routes("/v3/maintenance", "etcdserverpb.Maintenance", {
    ...{ alarm: "Alarm", status: "Status", defragment: "Defragment", hash: "Hash", hashkv: "HashKV", snapshot: "Snapshot" },
    ...{ "transfer-leadership": "MoveLeader", downgrade: "Downgrade" },
  }),
  ...routes("/v3/auth", "etcdserverpb.Auth", {
    ...{ enable: "AuthEnable", disable: "AuthDisable", status: "AuthStatus", authenticate: "Authenticate" },
    ...{ "user/add": "UserAdd", "user/get": "UserGet", "user/list": "UserList", "user/delete": "UserDelete" },
    ...{ "user/changepw": "UserChangePassword", "user/grant": "UserGrantRole", "user/revoke": "UserRevokeRole" },
    ...{ "role/add": "RoleAdd", "role/get": "RoleGet", "role/list": "RoleList", "role/delete": "RoleDelete" },
    ...{ "role/grant": "RoleGrantPermission", "role/revoke": "RoleRevokePermission" },
  }),
  ...routes("/v3/lock", "v3lockpb.Lock", { lock: "Lock", unlock: "Unlock" }),
  ...routes("/v3/election", "v3electionpb.Election", {
    ...{ campaign: "Campaign", proclaim: "Proclaim", leader: "Leader", observe: "Observe", resign: "Resign" },
  }),
]);
