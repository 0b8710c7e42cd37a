export { type GoldenCase, readGoldenCases } from "./golden.js";
export { ManualClock } from "./manual-clock.js";
