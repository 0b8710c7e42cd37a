// The door to etcd's wire: messages, service definitions and client stubs, by upstream package name.
export * as authpb from "./gen/wire/index.authpb.js";
export * as etcdserverpb from "./gen/wire/index.etcdserverpb.js";
export * as leasepb from "./gen/wire/index.leasepb.js";
export * as membershippb from "./gen/wire/index.membershippb.js";
export * as mvccpb from "./gen/wire/index.mvccpb.js";
export * as v3electionpb from "./gen/wire/index.v3electionpb.js";
export * as v3lockpb from "./gen/wire/index.v3lockpb.js";
