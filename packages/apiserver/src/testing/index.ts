export { type TestWrite, testWrite, type WriteFacts } from "./admission-write.js";
export { testDeclarations } from "./declarations.js";
export { MemoryReader } from "./memory-reader.js";
export { MemoryStorage } from "./memory-storage.js";
export { randomObject } from "./random-object.js";
export { type TestAnswer, TestFront, type TestRequest, type TestWatch } from "./test-front.js";
export { startTestMachine, type TestMachine, type TestMachineOptions } from "./test-machine.js";
