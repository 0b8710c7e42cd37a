export { type DifferentialOptions, type DifferentialReport, runDifferential } from "./differential/run.js";
