// The door to the wire between replicas of the store (lenj.raft.v1).
export * from "./gen/wire/index.lenj.raft.v1.js";
