export { MemoryBackend } from "./memory-backend.js";
export { runBackendContract } from "./backend-contract.js";
