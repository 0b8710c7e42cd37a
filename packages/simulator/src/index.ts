// For checking other histories.
export { checkLinearizability, type Operation, type Verdict } from "./checkers/linearizability.js";
export { deriveOptions, type FaultKind, type SimulationOptions } from "./options.js";
export { runSimulation, type SimulationResult } from "./simulation.js";
