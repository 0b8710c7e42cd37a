export { BoltError, type BoltErrorCode, isBoltError } from "./errors.js";
export { checkBoltFile } from "./integrity.js";
export { type BoltFile, defaultPageSizeBytes } from "./layout.js";
export type { BoltMeta } from "./meta.js";
export { type BoltBucket, type BoltEntry, BoltReader } from "./reader.js";
export { type BoltPlan, type BoltRow, type BoltSourceBucket, boltFilePages, planBoltFile } from "./writer.js";
