export { testDeclarations } from "./declarations.js";
export { MemoryStorage } from "./memory-storage.js";
export { startTestMachine, type TestMachine, type TestMachineOptions } from "./test-machine.js";
