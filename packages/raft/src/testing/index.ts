export { raftRules, type SafetyRules } from "../core/safety-rules.js";
