export { runBackendContract } from "./backend-contract.js";
export { MemoryBackend } from "./memory-backend.js";
