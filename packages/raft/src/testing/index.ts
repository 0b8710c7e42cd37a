export { raftRules, type SafetyRules } from "../core/safety-rules.js";
export { runScript } from "./script.js";
export { TestCluster, type TestClusterOptions } from "./test-cluster.js";
export { TestMember } from "./test-member.js";
