export { testDeclarations } from "./declarations.js";
export { MemoryStorage } from "./memory-storage.js";
