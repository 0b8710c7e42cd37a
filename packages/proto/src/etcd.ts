// The door to etcd's wire: messages, service definitions and client stubs, by upstream package name.
/** A google.protobuf.FileDescriptorSet of all of these, in base64. */
export { etcdDescriptorSet } from "./gen/wire/etcd-descriptors.js";
export * as authpb from "./gen/wire/index.authpb.js";
export * as etcdserverpb from "./gen/wire/index.etcdserverpb.js";
export * as healthpb from "./gen/wire/index.grpc.health.v1.js";
export * as leasepb from "./gen/wire/index.leasepb.js";
export * as membershippb from "./gen/wire/index.membershippb.js";
export * as mvccpb from "./gen/wire/index.mvccpb.js";
export * as v3electionpb from "./gen/wire/index.v3electionpb.js";
export * as v3lockpb from "./gen/wire/index.v3lockpb.js";
