export { call, connectCRI, type CRIClient } from "./cri-client.js";
export { type TestFile, type TestImage, TestRegistry } from "./test-registry.js";
